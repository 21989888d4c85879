"""What is in the requests: predictions by class or decile, and inputs against the training data.

Every prediction is counted. Of the inputs, some requests a second are looked at, together and with
NumPy: so a request costs a few microseconds, and what is kept of them is bounded. The labels are
those of the model's signature and of its reference, never a client's words.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from prometheus_client import CollectorRegistry, Counter

from ..images import described
from . import reference

if TYPE_CHECKING:
    from ...serving.http.holder import Served
    from ...serving.observers import Observation

log = logging.getLogger(__name__)

MOST_FEATURES, MOST_CLASSES = 100, 100  # each is a series, or four
SECONDS = 1.0  # until what has waited is counted
ROWS, AT_LEAST = 512, 8  # rows that are looked at in that time; those that a request counts for
ANSWERED_ROWS = 4096  # whose predictions wait to be counted, at most
PIXELS = 200_000  # of pictures that are looked at


class Counters:
    """The metrics themselves."""

    def __init__(self, own: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=own)

        self._counter = counter
        self.values = counter(
            "model_input_values", "Values of a feature that were looked at", "feature"
        )
        self.missing = counter("model_input_missing", "Those that were missing", "feature")
        text = "Numbers below or above all of the training data"
        self.out_of_range = counter("model_input_out_of_range", text, "feature")
        text = "Categories that the training data do not have"
        self.unseen = counter("model_input_unseen", text, "feature")
        self._predictions: tuple[str, Counter] | None = None

    def predicted(self, label: str, values: Sequence[str]) -> list[Any]:
        """What counts predictions by "class" or by "bucket", one for each value. A server's models
        have one of the two: a later one of the other sort is not counted."""
        if self._predictions is None:
            text = f"Predictions, by {label}"
            self._predictions = label, self._counter("model_predictions", text, label)
        known, counter = self._predictions
        return [counter.labels(each) for each in values] if known == label else []


class Content:
    """Counts what is in requests, soon after they were answered."""

    def __init__(self, counters: Counters, folder: Callable[["Served"], Path]) -> None:
        self._counters, self._folder = counters, folder
        self._known: dict[Served, _Model] = {}
        self._lock = threading.Lock()  # the holder's thread prepares a model, too
        self._served: Served | None = None
        self._model: _Model | None = None
        self._waiting: list[Mapping[str, np.ndarray]] = []
        self._room = ROWS
        self._answers: list[np.ndarray] = []
        self._rows = 0  # of the answers
        self._timer: asyncio.TimerHandle | None = None

    def prepare(self, served: "Served") -> "_Model":
        """Read what is known of a model's training data; only of the last two models."""
        with self._lock:
            model = self._known.get(served)
            if model is None:
                model = _Model(served, reference.read(self._folder(served)), self._counters)
                self._known = {**dict([*self._known.items()][-1:]), served: model}
        return model

    def add(self, served: "Served", observation: "Observation") -> None:
        """Count the predictions of a request, and keep its inputs for a moment if there is room."""
        if served is not self._served or self._model is None:
            self.flush()
            self._served, self._model = served, self.prepare(served)
        if observation.outputs:
            self._answers.extend(observation.outputs.values())
            self._rows += observation.rows
            if self._rows >= ANSWERED_ROWS:
                self._note()
        if self._room > 0 and observation.inputs and self._model.features:
            self._waiting.append(observation.inputs)
            self._room -= max(observation.rows, AT_LEAST)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SECONDS, self.flush)

    def _note(self) -> None:
        """Note the answers that have waited: together, they cost a tenth."""
        answers, self._answers, self._rows = self._answers, [], 0
        if answers and self._model is not None:
            self._model.note(np.concatenate(answers))

    def flush(self) -> None:
        """Count what has waited."""
        if self._timer:
            self._timer.cancel()
        waiting, self._waiting, self._room, self._timer = self._waiting, [], ROWS, None
        if self._model is None:
            return
        try:
            self._note()
            self._model.count_predictions()
            self._model.count_inputs(waiting)
        except Exception:  # a scrape gets the rest
            log.exception("requests were not counted")


class _Model:
    """What is counted for one version."""

    def __init__(
        self, served: "Served", known: "reference.Reference | None", counters: Counters
    ) -> None:
        signature = served.model.signature
        self._classes = len(signature.classes) if len(signature.classes) <= MOST_CLASSES else 0
        self._edges: list[float] = []
        self._predicted: list[Any] = []
        if self._classes:
            self._predicted = counters.predicted("class", signature.classes)
        elif known and len(known.deciles):
            self._edges = known.deciles.tolist()
            self._predicted = counters.predicted("bucket", [*map(str, range(len(self._edges) + 1))])
        self._counts = [0] * len(self._predicted)
        self.features: list[_Feature] = []
        features = known.features if known else {}
        for name, values in described(served.model.example()).items():
            if (feature := features.get(name)) and len(self.features) < MOST_FEATURES:
                self.features.append(_Feature(feature, values.dtype.kind, counters))

    def note(self, outputs: np.ndarray) -> None:
        """Note predictions by class, of an array of shape (n, classes), or by decile, (n,)."""
        if not self._predicted or outputs.ndim != (1 if self._edges else 2):
            return
        if self._edges:
            values = np.searchsorted(self._edges, outputs, side="right")
        else:
            values = outputs.argmax(axis=1)
        for value, count in enumerate(np.bincount(values).tolist()):
            self._counts[value] += count

    def count_predictions(self) -> None:
        """Count what was noted."""
        for index, count in enumerate(self._counts):
            if count:
                self._predicted[index].inc(count)
                self._counts[index] = 0

    def count_inputs(self, inputs: Sequence[Mapping[str, np.ndarray]]) -> None:
        """Count the values of each feature, of arrays of shape (n, *shape) by name.

        Of pictures, only as many are looked at as have PIXELS together.
        """
        if not inputs:
            return
        rows = {name: np.concatenate([each[name] for each in inputs]) for name in inputs[0]}
        size = max(array[:1].size for array in rows.values())
        if size > 1:
            rows = {name: array[: max(1, PIXELS // size)] for name, array in rows.items()}
        values = described(rows)
        for feature in self.features:
            feature.count(values[feature.name])


class _Feature:
    """What is counted for one input: its values, those missing, and those unlike the training's."""

    def __init__(self, known: "reference.Feature", kind: str, counters: Counters) -> None:
        self.name, self._number, self._text = known.name, kind in "iuf", kind == "O"
        self._low, self._high, self._categories = known.low, known.high, known.categories
        self._values = counters.values.labels(known.name)
        self._missing = counters.missing.labels(known.name)
        self._unlike = None
        if self._number and known.low is not None and known.high is not None:
            self._unlike = counters.out_of_range.labels(known.name)
        elif self._text and known.categories:
            self._unlike = counters.unseen.labels(known.name)

    def count(self, values: np.ndarray) -> None:
        missing = unlike = 0
        if self._number:
            if self._unlike is not None:  # NaN is neither below nor above
                unlike = int(((values < self._low) | (values > self._high)).sum())
            if values.dtype.kind == "f":
                missing = int(np.isnan(values).sum())
        elif self._text:
            texts = values.tolist()
            missing = texts.count("")
            if self._unlike is not None:
                unlike = sum(each not in self._categories for each in texts) - missing
        self._values.inc(len(values))
        if missing:
            self._missing.inc(missing)
        if unlike and self._unlike is not None:
            self._unlike.inc(unlike)
