"""What must be true before a server starts: a usable model is deployed, and the port is free."""

import errno
import socket
from pathlib import Path

from ..errors import UserError


def check(folder: Path, name: str) -> None:
    """Raise a UserError unless a model of that name is in service, is whole, and loads."""
    from ..model import Model, ModelError
    from ..registry import store

    deployed = store.current(folder, name)
    if deployed is None:
        raise UserError(f"no model of {name} is in service in {folder}: run `make run` first")
    deployed.verify()
    try:
        Model(deployed.folder)
    except ModelError as error:
        text = f"version {deployed.version} is unusable: {error}: `make rollback`, or `make run`"
        raise UserError(text) from error


def bind(host: str, port: int) -> socket.socket:
    """A listening socket, or a UserError that says why there is none."""
    if not 0 <= port <= 65535:  # getaddrinfo takes more, and drops the upper bits
        raise UserError(f"port {port}: expected a number from 1 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            hint = f"stop what uses it, or `make serve PORT={port + 1}`"
            raise UserError(f"port {port} is in use: {hint}") from error
        raise UserError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return listener
