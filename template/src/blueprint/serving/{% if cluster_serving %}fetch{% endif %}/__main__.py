"""The program that brings a pod its model; it needs no command-line library.

`python -m blueprint.serving.fetch` puts the pinned version into `serving.store`, for the server
beside it. With a URI and a folder, as KServe calls a storage initializer, it puts the files there.
It ends with 0 when they are there, else with 1, one line, and nothing half written.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

from ... import settings
from ...errors import UserError
from ...registry import settings as registry
from .. import settings as serving
from . import download, pin
from . import settings as fetch

# Kubernetes shows it with the container's state. No file, no message.
TERMINATION_LOG = Path("/dev/termination-log")


def main(arguments: list[str]) -> str:
    """Fetch within the seconds of the configuration; return what was done, in words."""
    sections = registry.SECTIONS | serving.SECTIONS | fetch.SECTIONS
    loaded = settings.load(known_sections=sections)
    pinned = pin.pinned()
    start = time.perf_counter()
    if len(arguments) == 2:
        uri, folder = arguments[0], Path(arguments[1])
        what, work = "the model", partial(download.into_folder, loaded, uri, folder, pinned)
    elif arguments:
        raise UserError("expected no arguments, or a URI and a folder")
    elif pinned is None or not pinned.uri:
        raise UserError(
            f"no model is pinned here ({', '.join(pin.VARIABLES)} are empty): "
            "`make deploy` pins a version"
        )
    else:
        uri, folder = pinned.uri, loaded.serving.folder()
        what, work = f"version {pinned.version}", partial(download.into_store, loaded, pinned)
    try:
        done = bounded(work, loaded.fetch.seconds)
    except TimeoutError:
        download.clear(folder)
        text = f"it has not come in {loaded.fetch.seconds:g} s (fetch.seconds)"
        raise UserError(f"{what} cannot be fetched from {uri}: {text}") from None
    except SystemExit:
        download.clear(folder)
        raise
    except UserError as error:
        raise UserError(f"{what} cannot be fetched from {uri}: {error}") from None
    return f"{done}, {time.perf_counter() - start:.1f} s"


def bounded(work: Callable[[], str], seconds: float) -> str:
    """Do the work in a thread: neither a signal nor the end of the time waits for a library."""
    future: Future[str] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future.result(seconds)


def leave(code: int) -> NoReturn:
    """End at once: a thread may be waiting for a store that does not answer."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    # The first process of a container has no default for it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        print(main(sys.argv[1:]))
    except UserError as error:
        with suppress(OSError):
            if TERMINATION_LOG.exists():
                TERMINATION_LOG.write_text(f"{error}\n")
        print(f"error: {error}", file=sys.stderr)
        leave(1)
    except SystemExit as ended:
        leave(int(str(ended.code)))
    leave(0)
