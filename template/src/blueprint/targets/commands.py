"""The commands that run the pipeline and build images: `make run`, `make debug`, `make images`."""

from typing import Annotated

import typer

from ..errors import UserError
from ..options import Check, Engine, Entry, Overrides

app = typer.Typer()


@app.command()
def run(
    overrides: Overrides = None,
    cache: Annotated[bool, typer.Option(help="reuse results that would not change")] = True,
    runner: Annotated[str, typer.Option(help="subprocess, or docker: in the image")] = "subprocess",
    pipeline: Entry = "training",
) -> None:
    """Run a pipeline on this machine; a rejected model is a result, not a failure."""
    from .. import settings
    from . import local

    if runner not in local.RUNNERS:
        raise UserError(f"--runner {runner}: expected {' or '.join(local.RUNNERS)}")
    local.run(settings.load(overrides=overrides or ()), cache=cache, runner=runner, entry=pipeline)


@app.command()
def debug(overrides: Overrides = None) -> None:
    """Run the steps up to the verdict in this process: breakpoints stop, errors open pdb."""
    from .. import settings
    from . import debugger

    debugger.run(settings.load(overrides=overrides or ()))


@app.command("images")
def build_images(arguments: Engine = None) -> None:
    """Build the images of the pipeline and of the server, tagged with the commit."""
    from .. import settings
    from . import images

    images.build(settings.load(), arguments or ())


@app.command()
def push(
    registry: Annotated[str | None, typer.Option(help="in place of images.registry")] = None,
) -> None:
    """Push the images that were built, and print their digests."""
    from .. import settings
    from . import images

    images.push(settings.load(), registry)


def checks() -> list[Check]:
    """The row of `make doctor`: is there a container engine?"""
    from .images import find_engine

    return [("container engine", find_engine, False)]
