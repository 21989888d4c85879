"""The commands `make stack` and `make stack-down`."""

import typer

from ...options import Engine

app = typer.Typer()


@app.command("stack")
def start(arguments: Engine = None) -> None:
    """Start MLflow, its database and object store, and the model server, in containers."""
    from ... import settings
    from . import stack

    stack.up(settings.load("stack"), arguments or ())


@app.command("stack-down")
def stop(arguments: Engine = None) -> None:
    """Stop what `stack` started; the data stays (--volumes deletes it too)."""
    from ... import settings
    from . import stack

    stack.down(settings.load("stack"), arguments or ())
