"""What must be true before a server starts: a model is deployed, and the port is free."""

import errno
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError

if TYPE_CHECKING:
    from ..registry.store import Deployed


def deployed(folder: Path, name: str) -> "Deployed":
    """The version in service, whose files are complete; or a UserError that says what to do."""
    from ..registry.store import current  # after the port is taken: it imports NumPy

    version = current(folder, name)
    if version is None:
        raise UserError(f"no model of {name} is in service in {folder}: run `make run` first")
    version.verify()
    return version


def bind(host: str, port: int) -> socket.socket:
    """A listening socket, or a UserError that says why there is none."""
    if not 0 <= port <= 65535:  # getaddrinfo accepts more, and drops the upper bits
        raise UserError(f"port {port}: expected a number from 1 to 65535")
    try:
        family, type_, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, type_, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            hint = f"stop what uses it, or `make serve PORT={port + 1}`"
            raise UserError(f"port {port} is in use: {hint}") from error
        raise UserError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return listener
