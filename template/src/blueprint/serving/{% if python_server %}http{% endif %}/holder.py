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

from ...model import EXAMPLE_FILE, Model, ModelError
from ...registry import store
from ...registry.store import Deployed
from . import v1

log = logging.getLogger(__name__)

START_SECONDS = 10  # that the first look may take before the server starts without a model
STOP_SECONDS = 5  # for a look at a store that does not answer
RETRY_SECONDS = 60  # at most, between two attempts at a model that does not load
SLOW_SECONDS = 0.003  # a slower prediction would hold up other requests, were it on their thread
TOLERANCE = 1e-3  # between the machine that exported and this one


@dataclass(frozen=True, eq=False)
class Served:
    """A model that answers requests, and what reads them by V1. `sha256` is that of all its files.

    `seconds` is what one prediction takes, `example` a request with its answer, if there is one.
    """

    version: str
    sha256: str
    model: Model
    v1: v1.Decoder
    seconds: float
    example: dict[str, Any] | None


class Holder:
    """Holds the served model in `current` (None until one is loaded).

    A request takes `current` once and keeps it, so a switch never touches it. A version that fails
    to load or to warm up is rejected with a logged line, and the one before stays; so it does while
    the store cannot be read. Both are tried again.
    """

    def __init__(
        self, folder: Path, name: str, *, threads: int | None = None, poll_seconds: float = 0.5
    ) -> None:
        self.current: Served | None = None
        self.folder, self._name = folder, name
        self._threads, self._poll_seconds = threads, poll_seconds
        self._logged = ""
        self._tried: tuple[Deployed, int] | None = None
        self._pause = self._next_try = 0.0
        self._looked, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="model-holder", daemon=True)

    def start(self) -> None:
        """Load what the pointer names and keep following it, in a thread."""
        self._thread.start()
        self._looked.wait(START_SECONDS)
        if self.current is None:
            log.warning("no model of %s in %s yet: not ready before", self._name, self.folder)

    def stop(self) -> None:
        """Stop following; the current model stays usable."""
        self._stop.set()
        self._thread.join(STOP_SECONDS)

    def refresh(self) -> None:
        """Look at the pointer once, and switch when it names another model."""
        now = self.current
        try:
            deployed = store.current(self.folder, self._name)
            if deployed and (
                not now or (now.version, now.sha256) != (deployed.version, deployed.sha256)
            ):
                if (deployed, deployed.written) != self._tried:
                    self._tried, self._pause = (deployed, deployed.written), 0.0
                elif time.monotonic() < self._next_try:
                    return
                self.current = load(deployed, self._threads)
                log.info("serving version %s", deployed.version)
            self._logged = ""
        except BaseException as error:  # whatever a bad model or store does, the server goes on
            self._pause = min(2 * self._pause + self._poll_seconds, RETRY_SECONDS)
            self._next_try = time.monotonic() + self._pause
            message = f"rejected, still serving {now.version if now else 'nothing'}: {error}"
            if message != self._logged:
                log.error("%s", message)
            self._logged = message

    def _follow(self) -> None:
        while not self._stop.is_set():
            self.refresh()
            self._looked.set()
            self._stop.wait(self._poll_seconds)


def load(deployed: Deployed, threads: int | None) -> Served:
    """Load a version whose files are complete, make it predict, and time it.

    Raises StoreError, ModelError. Without `threads`, a slow model gets every core if that makes it
    quicker; a quick one would lose more by handing its work over.
    """
    deployed.verify()
    example = read_example(deployed.folder)

    def warm(threads: int) -> tuple[float, Model, v1.Decoder]:
        model = Model(deployed.folder, threads)
        decode = v1.Decoder(model.signature)
        return warm_up(model, decode, example), model, decode

    warmed = warm(threads or 1)
    if threads is None and SLOW_SECONDS < warmed[0] < math.inf and cores() > 1:
        warmed = min(warmed, warm(cores()), key=lambda each: each[0])
    seconds, model, decode = warmed
    return Served(deployed.version, deployed.sha256, model, decode, seconds, example)


def warm_up(model: Model, decode: v1.Decoder, example: dict[str, Any] | None) -> float:
    """The seconds that one prediction takes; infinity for Python code, which may do anything.

    Raises ModelError for a model that fails, or answers its example differently than when it was
    exported. Without an example, Python code may reject an instance that has no content.
    """
    python = model.signature.format == "pyfunc"
    try:
        inputs = decode(json.dumps(example).encode()) if example else model.example(2)
        predicted = model.predict(inputs)
    except v1.RequestError as error:
        raise ModelError(f"{EXAMPLE_FILE}: {error}") from error
    except ModelError as error:
        if not python or example:
            raise
        log.warning("warm-up: %s", error)
    if python:
        return math.inf
    if example and not np.allclose(
        predicted, example["predictions"], rtol=TOLERANCE, atol=TOLERANCE
    ):
        raise ModelError(f"it answers {EXAMPLE_FILE} differently than when it was exported")
    start = time.perf_counter()
    model.predict(inputs)
    return time.perf_counter() - start


def read_example(directory: Path) -> dict[str, Any] | None:
    """The request that was kept with the model; models of other makers have none."""
    path = directory / EXAMPLE_FILE
    try:
        example = json.loads(path.read_bytes())
        return {"instances": example["instances"], "predictions": example["predictions"]}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{path}: is not a request with its answer ({error})") from error


def cores() -> int:
    """The processor's cores that this process may use; a container's quota counts."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:  # https://docs.kernel.org/admin-guide/cgroup-v2.html, cpu.max
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(usable or 1, round(int(quota) / int(period))))
    except (OSError, ValueError):
        return usable or 1
