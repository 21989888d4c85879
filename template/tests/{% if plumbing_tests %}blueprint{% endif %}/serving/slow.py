"""A model that waits to be told to predict."""

import json
import threading
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from blueprint.model import ModelError
from blueprint.serving.http.holder import Served
from blueprint.serving.http.work import Work


class Slow:
    """A model that says how many rows it got, as soon as it may; rows 13 and 14 make it fail."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.batches: list[int] = []

    def predict(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        assert self.may.wait(20)
        rows = inputs["x"]
        self.batches.append(len(rows))
        if 13 in rows:
            raise ModelError("unlucky")
        if 14 in rows:
            raise MemoryError
        return rows * 10


def served(model: Slow) -> Served:
    return cast(Served, SimpleNamespace(model=model, seconds=1.0))


def rows(*values: int) -> dict[str, np.ndarray]:
    return {"x": np.array(values)}


def ask_work(work: Work, model: Slow) -> Any:
    def read() -> Any:
        return [rows(1)], lambda predictions: (json.dumps(predictions.tolist()).encode(), {})

    return work(served(model), read, 10)
