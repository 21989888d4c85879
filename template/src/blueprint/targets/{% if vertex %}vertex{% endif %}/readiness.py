"""What a configuration lacks for a run: `make doctor` shows each finding, and `make submit` and
`make schedule` send nothing while one fails."""

import os
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from ... import settings as configuration
from ...errors import UserError
from ...options import Check
from ...settings import ENVIRONMENT, Settings
from . import findings
from .client import NO_PROJECT
from .findings import EXAMPLE, Ground

LAPTOP = ("local", "test")  # the configurations that need no project
HERE = re.compile(r"(.*\.)?localhost(\.localdomain)?|127\..*|0\.0\.0\.0|::1?|host\.docker\..*|")
Finding = Callable[[Ground], str]


def checks() -> list[Check]:
    """Rows for the doctor's table; on this machine's own configurations there are none."""
    try:
        loaded = configuration.load()
    except UserError:
        return []  # the row `configuration` says why
    if loaded.vertex is None:
        return [("project", _no_section, False)] if _environment() not in LAPTOP else []
    ground = Ground(loaded, loaded.vertex)
    return [(name, _bound(run, ground), True) for name, run in (FIRST | ASKED).items()]


def _environment() -> str:
    return os.environ.get(ENVIRONMENT) or "local"


def _no_section() -> str:
    """As in an owner's file from before pipelines went to Vertex AI: no update touches it."""
    raise UserError(
        f"config/{_environment()}.yaml has no section vertex: docs/vertex.md has one to copy"
    )


def _bound(run: Finding, ground: Ground) -> Callable[[], str]:
    def found() -> str:
        if run in ASKED.values() and not ground.number:
            raise UserError("not asked: the row `project` says why")
        return run(ground)

    return found


def problems(loaded: Settings) -> list[str]:
    """What makes a run fail for sure, one line each."""
    if loaded.vertex is None:
        return [NO_PROJECT]
    ground, found = Ground(loaded, loaded.vertex), []
    for name, run in (FIRST | ASKED).items():
        try:
            run(ground)
        except UserError as error:
            found.append(f"{name}: {error}")
        if run is findings.project and not ground.number:
            break
    return found


def _tracking(ground: Ground) -> str:
    uri = str(ground.loaded.registry.tracking_uri)
    if EXAMPLE.search(uri):
        raise UserError("registry.tracking_uri is still the example's: name your MLflow server")
    if HERE.fullmatch(urlsplit(uri).hostname or ""):
        raise UserError(
            f"registry.tracking_uri is {uri}, on this machine: steps on Vertex AI need a server"
        )
    return uri


def _data(ground: Ground) -> str:
    if only_here := ground.loaded.data.only_here():
        raise UserError(only_here)
    return f"source {ground.loaded.data.source}"


def _store(ground: Ground) -> str:
    if ground.loaded.serving.store is not None:
        raise UserError(
            f"serving.store is {ground.loaded.serving.store}: a step's folder is gone with it; "
            "leave it unset here, and the champion in the registry is what is deployed"
        )
    return "the registry's champion"


FIRST: dict[str, Finding] = {
    "tracking server": _tracking,
    "data": _data,
    "deployment": _store,
    "project": findings.project,
}
ASKED: dict[str, Finding] = {  # where the project was found: else each would meet the same
    "APIs": findings.apis,
    "region": findings.region,
    "your roles": findings.your_roles,
    "bucket": findings.bucket,
    "service account": findings.account,
    "its roles": findings.account_roles,
    "image": findings.image,
    "quotas": findings.quotas,
}
