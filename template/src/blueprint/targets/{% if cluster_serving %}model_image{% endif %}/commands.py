"""The command that makes a version an image: `make model-image`."""

from typing import Annotated

import typer

from ...options import Version

app = typer.Typer()


@app.command("model-image")
def model_image(
    version: Version = None,
    registry: Annotated[str | None, typer.Option(help="in place of images.registry")] = None,
) -> None:
    """Build the image of a version, by default the champion's, push it, and print its digest."""
    from ... import settings
    from .build import build

    build(settings.load(), version, registry)
