"""The commands that serve the model on Vertex AI: `make deploy`, `make status` …"""

from typing import Annotated

import typer

from ..options import Check, Reason, Version

app = typer.Typer()
ShareOption = Annotated[int | None, typer.Option(help="percent of the requests, to begin with")]


@app.command()
def deploy(version: Version = None, canary: ShareOption = None) -> None:
    """Serve a version, by default the champion, on the endpoint; one that fails is taken back."""
    from .. import settings
    from . import deployment

    if canary is None:
        deployment.deploy(settings.load(), version)
        return
    from . import gradual

    gradual.deploy(settings.load(), version, canary)


@app.command()
def status() -> None:
    """Say what the endpoint serves, and whether that is the registry's champion."""
    from .. import settings
    from .status import show

    raise SystemExit(show(settings.load()))


@app.command("deploy-previous")
def deploy_previous(reason: Reason = "") -> None:
    """Put the champion before this one in service again, in the registry and on the endpoint."""
    from .. import settings
    from ..registry import promotion
    from . import deployment

    loaded = settings.load()
    if loaded.deploy:
        deployment.check_rollback(loaded)  # before anything is changed
    print(promotion.rollback(loaded, reason=reason.strip()), flush=True)
    if loaded.deploy:
        deployment.deploy(loaded)


def checks() -> list[Check]:
    """The rows of `make doctor`: the endpoint, the serving image, and what is served."""
    from . import rows

    return rows.checks()
