"""How often each class was predicted, for Prometheus and for the gate of a canary.

It watches what every protocol answers, and has no routes of its own.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from prometheus_client import Counter

if TYPE_CHECKING:
    from ..http.app import Api
    from ..http.holder import Served
    from ..http.work import Answer, Read, Slices, Work, Write

MOST = 100  # classes: each is a series in Prometheus


class Counting:
    """Does the work of another, and counts the classes that it predicted.

    The values of the label are the model's own classes and nothing else; a model with more than
    MOST, or without, is not counted.
    """

    def __init__(self, work: "Work", counter: Counter) -> None:
        self._work = work
        self._of = cache(counter.labels)  # a class → what counts it

    async def __call__(self, served: "Served", read: "Read", size: int) -> "Answer":
        classes = served.model.signature.classes
        if not 0 < len(classes) <= MOST:
            return await self._work(served, read, size)

        def counted() -> "tuple[Slices, Write]":
            slices, write = read()

            def write_and_count(predictions: np.ndarray) -> "Answer":
                answer = write(predictions)
                self._count(classes, predictions)
                return answer

            return slices, write_and_count

        return await self._work(served, counted, size)

    def _count(self, classes: tuple[str, ...], predictions: np.ndarray) -> None:
        """Count predictions: probabilities of shape (n, classes)."""
        if len(predictions) == 1:
            self._of(classes[int(predictions.argmax())]).inc()
            return
        found = np.bincount(predictions.argmax(axis=1), minlength=len(classes))
        for index in found.nonzero()[0]:
            self._of(classes[index]).inc(int(found[index]))


def routes(api: "Api") -> list[Any]:
    """Watch the work of `api`, before its first request."""
    text = "Instances for which each class was predicted"
    counter = Counter("predicted_values", text, ["value"], registry=api.metrics.own)
    api.work = Counting(api.work, counter)  # type: ignore[assignment]
    return []


def paths(name: str, served: "Served") -> dict[str, Any]:
    """Nothing for /openapi.json."""
    return {}
