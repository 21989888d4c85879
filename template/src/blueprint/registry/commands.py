"""The commands that read and change the registry: `make models`, `make promote`, `make ui` …"""

import json
import shutil
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError

app = typer.Typer()
Reason = Annotated[str, typer.Option(help="kept in the registry, with the version")]


@app.command("models")
def list_models() -> None:
    """List the registered versions: metrics, verdict, data, commit, and which is the champion."""
    from .. import settings
    from . import models

    models.show(settings.load())


@app.command()
def report(
    version: Annotated[str | None, typer.Option(help="show its card instead")] = None,
) -> None:
    """Open the newest evaluation's page, or a version's card, and print where it is."""
    if version:
        from .. import settings
        from . import models

        page = models.card(settings.load(), version)
    else:
        page = newest_report()
    print(page)
    if sys.stdout.isatty():
        webbrowser.open(page.resolve().as_uri())


@app.command()
def promote(
    version: Annotated[str | None, typer.Argument(help="its number")] = None,
    force: Annotated[bool, typer.Option("--force", help="promote a rejected version")] = False,
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


@app.command("ui")
def show_ui(port: Annotated[int, typer.Option(help="to listen on")] = 5000) -> None:
    """Open MLflow on this project's runs and models, or say where its tracking server is."""
    from .. import settings
    from . import ui

    ui.show(settings.load().registry.tracking_uri, port)


def newest_report() -> Path:
    """Copy the newest evaluation's page to where its name says what it is, as KFP's have no suffix,
    with a summary in Markdown beside it: report.md."""
    from ..evaluation.report import summarize
    from ..runs import STATE, newest

    artifact, page = newest("evaluate-model/report"), STATE / "report.html"
    shutil.copyfile(artifact, page)
    verdict = json.loads(artifact.with_name("verdict").read_text())
    page.with_suffix(".md").write_text(summarize(verdict), encoding="utf-8")
    return page


def checks() -> list[tuple[str, Callable[[], str], bool]]:
    """The rows of `make doctor`: is the registry usable, and does its champion answer requests?"""
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
    if warning := in_service.difference(loaded):
        raise UserError(warning)
    return f"version {deployed.version}, the registry's champion" if deployed else "none"
