"""What the server tells of each request, as the log keeps it: found by `serving.observers`."""

import logging
import math
import sys
import time
from random import random
from typing import TYPE_CHECKING, Any

import numpy as np
from prometheus_client import Counter, Gauge

from ... import settings
from ...model import Signature
from .files import LogFolder
from .settings import SECTIONS, PredictionLog, key
from .table import Entry, unknown
from .writer import LARGE, REASONS, Writer

if TYPE_CHECKING:
    from ...serving.http.app import Api
    from ...serving.observers import Observation

log = logging.getLogger(__name__)

OVERHEAD = 200  # bytes in memory of an array, and of a request, beside its values
TEXT = 60  # bytes of a text beside its letters


class Counted:
    """What became of the rows, for Prometheus."""

    def __init__(self, registry: Any) -> None:
        self._wrote = Counter("prediction_log_rows", "Rows logged", registry=registry)
        self._dropped = Counter(
            "prediction_log_dropped", "Rows not logged, or no more", ["reason"], registry=registry
        )
        self._flushed = Gauge(
            "prediction_log_last_flush_timestamp_seconds",
            "When rows were last logged",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        for reason in REASONS:  # so that the first of them is an increase
            self._dropped.labels(reason)

    def wrote(self, rows: int) -> None:
        self._wrote.inc(rows)
        self._flushed.set_to_current_time()

    def dropped(self, reason: str, rows: int) -> None:
        self._dropped.labels(reason).inc(rows)


class PredictionLogger:
    """Copies a share of the requests into the buffer of a writer."""

    def __init__(self, section: PredictionLog, name: str, key: bytes, counts: Counted) -> None:
        self._section, self._key, self._share = section, key, section.share
        self._counts = counts
        self._writer = Writer(LogFolder(section.path, name), section, key, counts)
        self._seen: Signature | None = None
        self._first, self._texts, self._head, self._row = "", [""], 0, 0

    def observe(self, observation: "Observation") -> None:
        """Keep a request that was answered, if it is one of the sample."""
        outputs, served = observation.outputs, observation.served
        if outputs is None or served is None or random() >= self._share:
            return
        signature = served.model.signature
        if signature is not self._seen:
            self._look_at(signature)
        (answer,) = outputs.values()
        inputs, rows = observation.inputs, len(answer)
        if inputs is not None:
            first = inputs[self._first]
            if len(first) < rows:
                self._counts.dropped(LARGE, rows - len(first))
                rows = len(first)
            if first.base is not None:  # a part of a request's body, or of a larger array: all are
                inputs = {name: array.copy() for name, array in inputs.items()}
        if answer.base is not None or rows < len(answer):
            answer = answer[:rows].copy()
        size = self._head + rows * self._row
        if inputs is not None:
            for text in self._texts:
                size += sum(map(len, inputs[text].tolist()))
        self._writer.put(
            Entry(
                observation.request_id,
                time.time(),
                observation.version,
                observation.route,
                signature,
                inputs,
                answer,
            ),
            size,
        )

    def stop(self) -> None:
        """Write what is left; the server waits for that, but not long."""
        self._writer.stop()

    def _look_at(self, signature: Signature) -> None:
        """Note what a model takes, and say what the configuration names in vain."""
        tensors = signature.inputs
        self._seen, self._first = signature, tensors[0].name
        self._texts = [t.name for t in tensors if t.numpy_dtype == np.dtype(object)]
        self._head = OVERHEAD * (1 + len(tensors))
        self._row = sum(t.numpy_dtype.itemsize * math.prod(t.shape) for t in tensors)
        self._row += TEXT * len(self._texts) + 8 * math.prod(signature.output.shape)
        for list_, names in (("columns", self._section.columns), ("hashed", self._section.hashed)):
            for name in unknown(names or (), signature):
                log.error("prediction_log.%s: the model has no input %r", list_, name)


def observer(api: "Api") -> PredictionLogger | None:
    """The log of predictions, or None where the configuration wants none."""
    # What `make serve ARGS=…` was given: a worker process inherits the words of the command line.
    given = [word for word in sys.argv[1:] if word.startswith("prediction_log.")]
    section: PredictionLog = settings.load(None, given, SECTIONS).prediction_log
    if not section.share:
        return None
    if section.hashed and not key():
        log.error(
            "MLOPS_PREDICTION_LOG__KEY is not set: the inputs of prediction_log.hashed are not "
            "logged"
        )
    made = PredictionLogger(section, api.name, key(), Counted(api.metrics.own))
    before = api.holder.stop

    def stop() -> None:
        before()
        made.stop()

    # The server stops its holder when the last request is answered: a worker process is ended by a
    # signal right after that, and knows no `atexit`.
    api.holder.stop = stop  # type: ignore[method-assign]
    return made
