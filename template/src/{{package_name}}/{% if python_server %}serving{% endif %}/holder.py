"""The model in service: follows the store's pointer and switches without losing a request.

The store holds one directory a version and `current.json`, {"version": "3"}, which a deployment
replaces atomically.
"""

import json
import logging
import math
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..model import EXAMPLE_FILE, Model, ModelError
from . import v1, v2
from .values import RequestError

log = logging.getLogger(__name__)

POINTER = "current.json"
SLOW_SECONDS = 0.003  # a slower prediction would hold up other requests, were it on their thread
TOLERANCE = 1e-3  # between the machine that exported and this one


@dataclass(frozen=True)
class Served:
    """A model that answers requests: `v1` and `v2` read them.

    `seconds` is what one prediction takes, `example` a request with its answer, if there is one.
    """

    version: str
    model: Model
    v1: v1.Decoder
    v2: v2.Decoder
    seconds: float
    example: dict[str, Any] | None


class Holder:
    """Holds the served model in `current` (None until one is loaded).

    A request takes `current` once and keeps it, so a switch never touches it. A version that fails
    to load or to warm up is refused with a logged line, and the one before stays.
    """

    def __init__(
        self, store: Path, *, threads: int | None = None, poll_seconds: float = 0.5
    ) -> None:
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
    """Load a version, make it predict, and time it. Raises ModelError.

    Without `threads`, a slow model gets every core if that makes it quicker; a quick one would lose
    more by handing its work over.
    """
    example = _example(directory)

    def warm(threads: int) -> tuple[float, Model, v1.Decoder]:
        model = Model(directory, threads)
        decode = v1.Decoder(model.signature)
        return warm_up(model, decode, example), model, decode

    seconds, model, decode = warm(threads or 1)
    if threads is None and SLOW_SECONDS < seconds < math.inf and cores() > 1:
        seconds, model, decode = min(
            (seconds, model, decode), warm(cores()), key=lambda warmed: warmed[0]
        )
    return Served(directory.name, model, decode, v2.Decoder(model.signature), seconds, example)


def warm_up(model: Model, decode: v1.Decoder, example: dict[str, Any] | None) -> float:
    """The seconds that one prediction takes; infinity for Python code, which may do anything.

    Raises ModelError for a model that fails, or answers its example otherwise than when it was
    exported. Without an example, Python code may refuse an instance that has no content.
    """
    slow = model.signature.format == "pyfunc"
    try:
        inputs = decode(json.dumps(example).encode()) if example else model.example(2)
        said = model.predict(inputs)
    except RequestError as error:
        raise ModelError(f"{EXAMPLE_FILE}: {error}") from error
    except ModelError as error:
        if not slow or example:
            raise
        log.warning("warm-up: %s", error)
    if slow:
        return math.inf
    if example and not np.allclose(said, example["predictions"], rtol=TOLERANCE, atol=TOLERANCE):
        raise ModelError(f"it answers {EXAMPLE_FILE} otherwise than when it was exported")
    start = time.perf_counter()
    model.predict(inputs)
    return time.perf_counter() - start


def cores() -> int:
    """The processor's cores that this process may use; a container's quota counts."""
    there = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:  # https://docs.kernel.org/admin-guide/cgroup-v2.html, cpu.max
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(there, round(int(quota) / int(period))))
    except (OSError, ValueError):
        return there


def _example(directory: Path) -> dict[str, Any] | None:
    """The request that was kept with the model; models of other makers have none."""
    path = directory / EXAMPLE_FILE
    try:
        example = json.loads(path.read_bytes())
        return {"instances": example["instances"], "predictions": example["predictions"]}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{path}: is not a request with its answer ({error})") from error
