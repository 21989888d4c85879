"""The model in service: follows the store's pointer and switches without losing a request."""

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
from ..registry import store
from ..registry.store import Deployed
from . import v1, v2
from .values import RequestError

log = logging.getLogger(__name__)

START_SECONDS = 10  # that the first look may take before the server starts without a model
STOP_SECONDS = 5  # for a look at a store that does not answer
RETRY_SECONDS = 60  # at most, between two attempts at a model that does not load
SLOW_SECONDS = 0.003  # a slower prediction would hold up other requests, were it on their thread
TOLERANCE = 1e-3  # between the machine that exported and this one


@dataclass(frozen=True)
class Served:
    """A model that answers requests: `v1` and `v2` read them. `sha256` is that of all its files.

    `seconds` is what one prediction takes, `example` a request with its answer, if there is one.
    """

    version: str
    sha256: str
    model: Model
    v1: v1.Decoder
    v2: v2.Decoder
    seconds: float
    example: dict[str, Any] | None


class Holder:
    """Holds the served model in `current` (None until one is loaded).

    A request takes `current` once and keeps it, so a switch never touches it. A version that fails
    to load or to warm up is refused with a logged line, and the one before stays; so it does while
    the store cannot be read. Both are tried again.
    """

    def __init__(
        self, folder: Path, name: str, *, threads: int | None = None, poll_seconds: float = 0.5
    ) -> None:
        self.current: Served | None = None
        self._folder, self._name = folder, name
        self._threads = threads
        self._poll_seconds = poll_seconds
        self._said = ""
        self._tried: tuple[Deployed, int] | None = None
        self._pause = self._again = 0.0
        self._looked, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="model-holder", daemon=True)

    def start(self) -> None:
        """Load what the pointer names and keep following it, in a thread."""
        self._thread.start()
        self._looked.wait(START_SECONDS)
        if self.current is None:
            log.warning("no model of %s in %s yet: not ready before", self._name, self._folder)

    def stop(self) -> None:
        """Stop following; the current model stays usable."""
        self._stop.set()
        self._thread.join(STOP_SECONDS)

    def refresh(self) -> None:
        """Look at the pointer once, and switch when it names another model."""
        try:
            deployed = store.current(self._folder, self._name)
            if deployed and not self._serves(deployed):
                if (deployed, deployed.written) != self._tried:
                    self._tried, self._pause = (deployed, deployed.written), 0.0
                elif time.monotonic() < self._again:
                    return
                self.current = load(deployed, self._threads)
                log.info("serving version %s", deployed.version)
            self._said = ""
        except BaseException as error:  # whatever a bad model or store does, the server goes on
            self._pause = min(2 * self._pause + self._poll_seconds, RETRY_SECONDS)
            self._again = time.monotonic() + self._pause
            serving = f"still serving {self.current.version}" if self.current else "serving nothing"
            if (said := f"refused, {serving}: {error}") != self._said:
                log.error("%s", said)
            self._said = said

    def _serves(self, deployed: Deployed) -> bool:
        now = self.current
        return now is not None and (now.version, now.sha256) == (deployed.version, deployed.sha256)

    def _follow(self) -> None:
        while not self._stop.is_set():
            self.refresh()
            self._looked.set()
            self._stop.wait(self._poll_seconds)


def load(deployed: Deployed, threads: int | None) -> Served:
    """Load a version whose files are whole, make it predict, and time it.

    Raises StoreError, ModelError. Without `threads`, a slow model gets every core if that makes it
    quicker; a quick one would lose more by handing its work over.
    """
    deployed.verify()
    directory = deployed.folder
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
    v2_decode = v2.Decoder(model.signature)
    return Served(deployed.version, deployed.sha256, model, decode, v2_decode, seconds, example)


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
