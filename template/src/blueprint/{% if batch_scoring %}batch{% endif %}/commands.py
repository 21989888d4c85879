"""The command that scores rows in bulk: `make batch`."""

from typing import Annotated

import typer

from .. import rooms
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
    loaded = settings.load(overrides=overrides or ())
    for room in rooms("jobs"):  # of a platform that scores some rows itself
        if room.takes(input):
            room.run(loaded, input, output, version, force=force)
            return
    from .target import run

    run(loaded, input, output, version, force=force)
