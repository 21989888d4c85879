"""The command `make cluster`."""

import os
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def cluster(
    down: Annotated[bool, typer.Option(help="delete it again")] = False,
    yes: Annotated[bool, typer.Option(help="without asking")] = False,
    seconds: Annotated[float, typer.Option(help="for the parts to get ready")] = 900,
) -> None:
    """Bring up Kubeflow Pipelines, MLflow and the model's namespace, or delete them again.

    $CONTEXT names a cluster of the kubeconfig; without it, kind or k3d makes one on this machine.
    """
    from ... import settings
    from . import light

    loaded, context = settings.load("light"), os.environ.get("CONTEXT", "").strip()
    if down:
        return light.down(loaded, context, ask=not yes)
    raise SystemExit(light.up(loaded, context, seconds))
