"""`make stack` where the configuration names a repository: what Flux has brought up there."""

import typer

from .... import settings
from ....options import Engine
from ....targets.stack import commands as containers

app = typer.Typer()


@app.command()
def stack(arguments: Engine = None) -> None:
    """Say of every part that Flux brings up whether it is there; elsewhere, start containers that
    stand in for them."""
    loaded = settings.load()
    if loaded.gitops is None:
        return containers.start(arguments)
    from .parts import show

    raise SystemExit(show(loaded))
