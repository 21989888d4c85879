"""Start and stop the containers of docker/compose.yaml.

Ports and the folder of models are those of config/stack.yaml, so that `make run ENV=stack` and the
stack agree.
"""

import os
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ...errors import UserError
from ...settings import Settings
from .. import images

COMPOSE = Path("docker/compose.yaml")
SECRETS = Path("docker/.env")  # which compose reads, and git ignores
KINDS = ("serving", "tracking")


def up(settings: Settings, arguments: Sequence[str] = ()) -> None:
    """Build what is missing, start everything, and wait until it is healthy.

    `arguments` go to the engine's `build`. Raises UserError.
    """
    built = images.build(settings, arguments, KINDS)
    _make_password()
    settings.serving.folder().mkdir(parents=True, exist_ok=True)  # or the engine makes it, as root
    variables = _variables(settings, {kind: built[kind].reference for kind in KINDS})
    _compose(variables, "up", "--detach", "--wait", "database", "objects", "tracking")
    _compose(variables, "up", "--detach", "server")
    print(f"MLflow  http://127.0.0.1:{variables['TRACKING_PORT']}")
    name = settings.registry.name
    print(f"server  http://127.0.0.1:{variables['SERVING_PORT']}/v1/models/{name}")
    print("`make run ENV=stack` trains a model into it, `make stack-down` stops it")


def down(settings: Settings, arguments: Sequence[str] = ()) -> None:
    """Stop everything. With `--volumes` the data goes too."""
    variables = _variables(settings, dict.fromkeys(KINDS, "none"))
    if not SECRETS.exists():
        variables["STACK_PASSWORD"] = "none"  # compose asks for it, and uses it for nothing
    _compose(variables, "down", *arguments)


def _variables(settings: Settings, references: dict[str, str]) -> dict[str, str]:
    given = {f"{kind.upper()}_IMAGE": reference for kind, reference in references.items()}
    return {
        "STACK_NAME": settings.images.prefix,
        "SERVING_PORT": str(settings.serving.port),
        "SERVING_STORE": str(settings.serving.folder().resolve()),
        "TRACKING_PORT": str(urlsplit(settings.registry.tracking_uri).port),
        **given,
    }


def _make_password() -> None:
    """A password for the database and the object store, made once: they keep it in their data."""
    if not SECRETS.exists():
        descriptor = os.open(SECRETS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"STACK_PASSWORD={secrets.token_urlsafe(24)}\n")


def _compose(variables: dict[str, str], *arguments: str) -> None:
    engine = images.find_engine()
    command = [engine, "compose", "--file", str(COMPOSE), *arguments]
    done = subprocess.run(command, env={**os.environ, **variables}, check=False)
    if done.returncode:
        raise UserError(
            f"`{engine} compose {arguments[0]}` failed, as it says above; `{engine} compose "
            f"--project-name {variables['STACK_NAME']} logs` says more"
        )
