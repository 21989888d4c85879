"""The server process: `run` checks that there is a model, binds the port and serves until told."""

import errno
import logging
import os
import signal
import socket
import tempfile
from functools import partial
from pathlib import Path

from ..errors import UserError

log = logging.getLogger(__name__)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"uvicorn": {"level": "WARNING"}},
}


def run(
    store: Path,
    name: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    workers: int = 1,
    threads: int | None = 1,
    body_limit: int = 16 * 1024 * 1024,
    poll_seconds: float = 0.5,
) -> None:
    """Serve the store's current model until SIGTERM or Ctrl-C, then finish what is in flight.

    `threads` bounds the cores of one prediction, `body_limit` is in bytes, and a new deployment is
    seen within `poll_seconds`. Raises UserError when no usable model is deployed, or the port is
    taken.
    """
    listener = bind(host, port)  # first: it is quick, and the imports below are not
    with listener, tempfile.TemporaryDirectory(prefix="metrics-") as shared:
        check(store)
        if workers > 1:  # prometheus_client reads this when it is imported
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared

        import uvicorn
        from uvicorn.supervisors import Multiprocess

        from .app import create_app

        app = partial(
            create_app,
            store,
            name,
            threads=threads,
            body_limit=body_limit,
            poll_seconds=poll_seconds,
            workers=workers,
        )
        config = uvicorn.Config(
            app,
            factory=True,
            workers=workers,
            loop="auto",
            http="auto",
            ws="none",
            log_config=LOGGING,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=30,
        )
        log.info("http://%s:%d/v1/models/%s:predict (Ctrl-C stops it)", host, port, name)
        if workers > 1:
            Multiprocess(config, sockets=[listener]).run()
        else:
            # uvicorn raises the signal again when it is done; an end that was asked for is no error
            signal.signal(signal.SIGINT, lambda *_: None)
            signal.signal(signal.SIGTERM, lambda *_: None)
            uvicorn.Server(config).run(sockets=[listener])


def check(store: Path) -> None:
    """Raise a UserError unless the store has a current model, and it loads."""
    from ..model import Model, ModelError
    from .holder import read_pointer

    try:
        version = read_pointer(store)
        if version is None:
            raise UserError("no model is deployed yet: run `make run` first")
        Model(store / version)
    except ModelError as error:
        raise UserError(f"the deployed model is unusable: {error}; `make run` mends it") from error


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
