"""The commands that serve the model on a cluster: `make deploy`, `make status` …"""

from collections.abc import Callable
from typing import Annotated

import typer

from ..options import Check, Version
from ..settings import Settings

app = typer.Typer()
ShareOption = Annotated[int | None, typer.Option(help="percent of the requests, to begin with")]


@app.command()
def deploy(version: Version = None, canary: ShareOption = None) -> None:
    """Serve a version, by default the champion, on the cluster; one that fails is taken back."""
    from .. import settings
    from . import deployment

    if canary is None:
        deployment.deploy(settings.load(), version)
        return
    from . import gradual

    gradual.deploy(settings.load(), version, canary)


@app.command()
def status() -> None:
    """Say what the cluster serves, and whether that is the registry's champion."""
    from .. import settings
    from .status import show

    raise SystemExit(show(settings.load()))


@app.command()
def manifests(version: Version = None) -> None:
    """Print what `deploy` applies."""
    from .. import settings
    from . import deployment

    print(deployment.manifest(settings.load(), version), end="")


def after_rollback(loaded: Settings) -> Callable[[], None]:
    """What has the cluster serve the champion; that it can serve the one before, is checked."""
    from . import deployment

    if loaded.deploy is None:
        return lambda: None
    deployment.check_rollback(loaded)
    return lambda: deployment.deploy(loaded)


def checks() -> list[Check]:
    """The rows of `make doctor`: kubectl, the cluster, its rights, and what it serves."""
    from . import readiness

    return readiness.checks()
