"""The command that says what was true: `make labels`."""

from typing import Annotated

import typer

from ...errors import UserError
from ...options import Check

app = typer.Typer()


@app.command()
def labels(
    file: Annotated[str, typer.Argument(help="CSV or Parquet: request_id, label, and maybe row")],
) -> None:
    """Add what was true to the logged predictions, by request id."""
    if not file:
        raise UserError("which labels? `make labels FILE=labels.csv`")
    from ... import settings
    from .labels import attach

    loaded = settings.load()
    attach(loaded.prediction_log, loaded.registry.name, file)


def checks() -> list[Check]:
    """The row of `make doctor`: can the log be written?"""
    return [("prediction log", _log, False)]


def _log() -> str:
    from ... import settings
    from .files import LogFolder
    from .settings import key

    loaded = settings.load()
    section = loaded.prediction_log
    if not section.share:
        return "off: prediction_log.share is 0"
    if section.hashed and not key():
        names = ", ".join(section.hashed)
        raise UserError(f"set MLOPS_PREDICTION_LOG__KEY: without it, {names} is not logged")
    folder = LogFolder(section.path, loaded.registry.name)
    if section.in_project and getattr(loaded, "deploy", None):
        raise UserError(f"name a bucket as prediction_log.path: pods have no {section.path}")
    folder.probe()
    return f"{section.share:.0%} of the requests, in {folder.path}"
