"""The command that scores rows in bulk: `make batch`."""

from typing import Annotated

import typer

from ..errors import UserError
from ..options import Force, Overrides, Version

app = typer.Typer()


@app.command()
def batch(
    input: Annotated[str, typer.Argument(help="a file, folder, glob or URL")],
    output: Annotated[str, typer.Argument(help="a .parquet or .csv file, or a folder")],
    overrides: Overrides = None,
    version: Version = None,
    force: Force = False,
) -> None:
    """Score the rows of files with the model in service; a killed run continues where it was."""
    from .. import settings

    if not (input and output):
        raise UserError("which rows, and where to? `make batch INPUT=new.csv OUTPUT=scores.csv`")
    from .target import run

    run(settings.load(overrides=overrides or ()), input, output, version, force=force)
