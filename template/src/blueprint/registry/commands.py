"""The commands of the registry (`make models`, `make promote` …) and its rows in `make doctor`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError
from ..options import Check, Force, Reason, Version

app = typer.Typer()


@app.command("models")
def list_models() -> None:
    """List the registered versions: metrics, verdict, data, commit, and which is the champion."""
    from .. import settings
    from . import models

    models.show(settings.load())


@app.command()
def promote(
    version: Annotated[str | None, typer.Argument(help="its number")] = None,
    force: Force = False,
    reason: Reason = "",
) -> None:
    """Make a version the champion and serve it; a rejected one needs force and a reason."""
    from .. import settings

    if not version:
        raise UserError("which version? `make promote VERSION=3`; `make models` lists them")
    from . import promotion

    print(promotion.promote(settings.load(), version, force=force, reason=reason.strip()))


@app.command()
def rollback(reason: Reason = "") -> None:
    """Put the champion before this one in service again."""
    from .. import settings
    from . import promotion

    print(promotion.rollback(settings.load(), reason=reason.strip()))


@app.command()
def report(version: Version = None) -> None:
    """Open the newest evaluation's page, or a version's card, and print where it is."""
    import webbrowser

    from .. import settings
    from . import models

    page = models.card(settings.load(), version) if version else models.newest_report()
    print(page)
    if sys.stdout.isatty():
        webbrowser.open(page.resolve().as_uri())


@app.command()
def ui(port: Annotated[int, typer.Option(help="to listen on")] = 5000) -> None:
    """Open MLflow on this project's runs and models, or say where its tracking server is."""
    from .. import settings
    from .ui import show

    show(settings.load().registry.tracking_uri, port)


def checks() -> list[Check]:
    """The rows of `make doctor`: does the registry answer, and is its champion what is served?"""
    return [("registry", _registry, True), ("model in service", _in_service, False)]


def _registry() -> str:
    from .. import settings
    from .check import check

    loaded = settings.load()
    uri = loaded.registry.tracking_uri
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        return f"{uri}: `make run` makes it"
    try:
        return check(**loaded.registry.model_dump())
    except UserError as error:
        if getattr(loaded, "kubeflow", None) is None:
            raise
        # Steps may reach what this machine does not; the row `tracking server` says the rest.
        return f"not reached from here, which is right where only pods reach it: {error}"


def _in_service() -> str:
    from .. import settings
    from . import in_service, store

    loaded = settings.load()
    if loaded.serving.store is None:
        return "serving.store is not set: the registry's champion"
    deployed = store.current(loaded.serving.store, loaded.registry.name)
    if deployed:
        deployed.verify()
    if difference := in_service.difference(loaded):
        raise UserError(difference)
    return f"version {deployed.version}, the registry's champion" if deployed else "none"
