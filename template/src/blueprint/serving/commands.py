"""The commands that answer requests: `make serve`, `make predict`."""

import socket
from typing import Annotated

import typer

from ..errors import UserError
from ..options import Check, Overrides, Port

app = typer.Typer()


@app.command()
def serve(overrides: Overrides = None, port: Port = None) -> None:
    """Answer prediction requests with the model in service; a newly deployed one is picked up."""
    from .. import settings
    from ..registry import in_service
    from . import server

    given = [*(overrides or ()), *([f"serving.port={port}"] if port else ())]
    loaded = settings.load(overrides=given)
    with in_service.compared(loaded, given):
        server.run(loaded.serving, loaded.registry.name)


@app.command()
def predict(
    row: Annotated[int | None, typer.Option(help="of the test set; by default any one")] = None,
    url: Annotated[str | None, typer.Option(help="of the server")] = None,
    port: Port = None,
) -> None:
    """Send a test row to the running server, and show it beside the prediction."""
    from .. import settings
    from ..predict import predict as send

    loaded = settings.load()
    local = f"http://{loaded.serving.host}:{port or loaded.serving.port}"
    send(url or local, loaded.registry.name, row)


def checks() -> list[Check]:
    """The row of `make doctor`: is the port free?"""
    return [("port", _port, False)]


def _port() -> str:
    from .. import settings

    serving = settings.load().serving
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((serving.host, serving.port))
        except OSError:
            raise UserError(f"{serving.port} is in use: `make serve PORT=…` uses another") from None
    return f"{serving.host}:{serving.port} is free"
