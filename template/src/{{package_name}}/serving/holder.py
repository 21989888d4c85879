"""The model in service: follows the store's pointer and switches without losing a request.

The store holds one directory a version and `current.json`, {"version": "3"}, which a deployment
replaces atomically.
"""

import json
import logging
import math
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from ..model import Model, ModelError
from .protocol import Decoder

log = logging.getLogger(__name__)

POINTER = "current.json"


@dataclass(frozen=True)
class Served:
    """A model that answers requests. `seconds` is what `warm_up` says of one prediction."""

    version: str
    model: Model
    decode: Decoder
    seconds: float


class Holder:
    """Holds the served model in `current` (None until one is loaded).

    A request takes `current` once and keeps it, so a switch never touches it. A version that fails
    to load or to warm up is refused with a logged line, and the one before stays.
    """

    def __init__(self, store: Path, *, threads: int | None = 1, poll_seconds: float = 0.5) -> None:
        self.current: Served | None = None
        self._store = store
        self._threads = threads
        self._poll_seconds = poll_seconds
        self._seen: tuple[int, int] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="model-holder", daemon=True)

    def start(self) -> None:
        """Load what the pointer names, then keep following it in a thread."""
        self.refresh()
        self._thread.start()

    def stop(self) -> None:
        """Stop following; the current model stays usable."""
        self._stop.set()
        self._thread.join()

    def refresh(self) -> None:
        """Look at the pointer once, and switch when it names another version."""
        try:
            status = (self._store / POINTER).stat()
        except OSError:
            return  # nothing deployed, or the store is away for a moment: keep what there is
        seen = (status.st_mtime_ns, status.st_ino)
        if seen == self._seen:
            return
        self._seen = seen
        serving = f"still serving {self.current.version}" if self.current else "serving nothing"
        try:
            version = read_pointer(self._store)
            if version is None or (self.current and version == self.current.version):
                return
            served = load(self._store / version, self._threads)
        except Exception as error:  # whatever a bad model does, the server goes on
            log.error("refused, %s: %s", serving, error)
            return
        self.current = served
        log.info("serving version %s", version)

    def _follow(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            self.refresh()


def read_pointer(store: Path) -> str | None:
    """The version that the store's pointer names, or None when nothing is deployed."""
    path = store / POINTER
    try:
        version = json.loads(path.read_bytes())["version"]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f'{path}: expected {{"version": "<number>"}}') from error
    if not isinstance(version, str) or Path(version).name != version:
        raise ModelError(f"{path}: {version!r} is not the name of a version")
    return version


def load(directory: Path, threads: int | None) -> Served:
    """Load a version, make it predict, and time it."""
    model = Model(directory, threads)
    return Served(directory.name, model, Decoder(model.signature), warm_up(model))


def warm_up(model: Model) -> float:
    """The seconds that one prediction takes; infinity for Python code, which may do anything.

    Raises ModelError for a graph that fails; Python code may refuse an instance without content.
    """
    if model.signature.format == "pyfunc":
        try:
            model.predict(model.example())
        except ModelError as error:
            log.warning("warm-up: %s", error)
        return math.inf
    model.predict(model.example(2))
    start = time.perf_counter()
    model.predict(model.example())
    return time.perf_counter() - start
