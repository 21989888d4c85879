"""`make monitor`."""

from typing import Annotated

import typer

from ...options import Overrides, Port

app = typer.Typer()


@app.command()
def monitor(
    overrides: Overrides = None,
    port: Port = None,
    files: Annotated[bool, typer.Option("--files", help="write them, start nothing")] = False,
) -> None:
    """Watch the running server in Prometheus and Grafana, with alerts; until Ctrl-C."""
    from ... import settings
    from . import stack
    from .files import write

    loaded = settings.load(overrides=overrides or ())
    if files:
        print(write(loaded, port))
        return
    stack.run(loaded, port)
