"""Is what is served the registry's champion, by its hash? And what to run when it is not."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .. import settings
from ..errors import UserError
from ..settings import Settings
from . import store

QUICK = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}


def difference(loaded: Settings) -> str | None:
    """What tells the model in service from the registry's champion, and what to run; None when
    nothing does, or when there is no store. Raises RegistryError, StoreError.
    """
    folder, name = loaded.serving.store, loaded.registry.name
    if folder is None:
        return None
    deployed = store.current(folder, name)
    database = loaded.registry.tracking_uri.removeprefix("sqlite:///")
    champion = None
    if database == loaded.registry.tracking_uri or Path(database).exists():  # or it would be made
        from .client import attended  # it takes a second

        champion = attended(**loaded.registry.model_dump()).champion()
    if champion is None:
        if deployed is None:
            return f"no model of {name} is in service: `make run` trains and deploys one"
        return (
            f"version {deployed.version} of {name} is in service, and the registry has no champion "
            "(registry.tracking_uri): `make run`, or correct the address"
        )
    fix = f"`make promote VERSION={champion.number}` puts it in service"
    if deployed is None:
        return f"version {champion.number} of {name}, the champion, is not in {folder} yet: {fix}"
    if deployed.version != champion.number:
        served = f"version {deployed.version} of {name} is in service"
        return f"{served}, and version {champion.number} is the champion: {fix}"
    if deployed.differs(champion.tags):
        served = f"what is in service as version {deployed.version} of {name} is another model"
        return f"{served} than the registry's (their SHA-256 differ): {fix}"
    return None


@contextmanager
def compared(loaded: Settings, overrides: Sequence[str]) -> Iterator[None]:
    """Have what is served compared with the registry beside the server, in a process of its own,
    which may print one warning. Raises UserError where there is nothing to serve.
    """
    folder, name = loaded.serving.store, loaded.registry.name
    if folder and store.current(folder, name) is None:
        try:
            found = difference(loaded)
        except UserError as error:
            found = f"no model of {name} is in {folder}: {error}"
        raise UserError(found)
    command = [sys.executable, "-m", __name__, *overrides]
    process = subprocess.Popen(command, env={**QUICK, **os.environ})
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _warn(overrides: Sequence[str]) -> None:
    os.nice(10)  # the server starts meanwhile
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        found = difference(settings.load(overrides=overrides))
    except UserError as error:
        found = f"what is in service could not be compared with the registry: {error}"
    if found:
        print(f"warning: {found}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    _warn(sys.argv[1:])
