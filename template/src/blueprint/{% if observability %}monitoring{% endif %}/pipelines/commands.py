"""`make metrics`."""

from typing import Annotated

import typer

from ...options import Port

app = typer.Typer()


@app.command()
def metrics(
    port: Port = None,
    once: Annotated[bool, typer.Option("--print", help="show them and end")] = False,
) -> None:
    """Let Prometheus scrape what is known of the pipeline: runs, gate, evaluation."""
    from ... import settings
    from . import exposed

    exposed.serve(settings.load(), port, once)
