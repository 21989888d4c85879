"""Which library a model is of, and so how it predicts and how it becomes ONNX.

A leaf a library: `predict(model, features)` and `to_onnx(model, schema)`. A leaf is imported only
for a model of its library, which is there because the model is.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Schema
from .errors import ExportError

# The package of a model's class, or of one that it inherits from, to the leaf that knows it.
LEAVES = {name: name for name in ("keras", "torch", "catboost", "sklearn")}
NAMES = {"sklearn": "scikit-learn", "torch": "PyTorch", "keras": "Keras", "xgboost": "XGBoost"}
Features = Mapping[str, np.ndarray]
Predict = Callable[[Any, Features], Any]


@dataclass(frozen=True)
class Native:
    """A trained model as its own library runs it."""

    model: Any
    schema: Schema
    leaf: str  # "" is a model of no library known here

    @property
    def name(self) -> str:
        """The model's class, for messages."""
        return type(last_step(self.model)).__name__

    def predict(self, features: Features) -> np.ndarray:
        """Arrays (n, *shape) by feature → probabilities (n, classes), or numbers (n,)."""
        return run(self.function(), self.model, features, numbers=not self.schema.classes)

    def function(self) -> Predict:
        """What asks a model of this library."""
        return self._leaf().predict if self.leaf else call

    def write_onnx(self, path: Path, output: str) -> None:
        """Write the model's file, whose output has this name, or raise what the exporter raises."""
        import onnx

        from .graph import finish

        if not self.leaf:
            raise NotImplementedError("no exporter knows its class")
        onnx.save(finish(self._leaf().to_onnx(self.model, self.schema), self.schema, output), path)

    def _leaf(self) -> Any:
        return import_module(f".{self.leaf}", __package__)


def call(model: Any, features: Features) -> Any:
    """Ask a model of no library known here."""
    return model.predict(dict(features))


def run(function: Predict, model: Any, features: Features, *, numbers: bool) -> np.ndarray:
    """What a leaf's `predict` gives, as the contract has it: `numbers` of a regression are (n,)."""
    result = np.asarray(function(model, features), np.float32)
    return result[:, 0] if numbers and result.shape[1:] == (1,) else result


def native(model: Any, schema: Schema) -> Native:
    """Find the model's library. Raises `ExportError` for what cannot predict at all."""
    kinds = {kind.__module__.split(".")[0] for kind in type(last_step(model)).__mro__}
    leaf = next((leaf for package, leaf in LEAVES.items() if package in kinds), "")
    if not leaf and not hasattr(model, "predict"):
        raise ExportError(
            f"train_model in steps/train.py returned a {type(model).__name__}, which has no "
            "`predict`; docs/your-own-model.md says what a model may be"
        )
    return Native(model, schema, leaf)


def library(model: Any) -> str:
    """The library of a model's class with its version, as "Keras 3.12.0"; else ""."""
    for kind in type(last_step(model)).__mro__:
        package = kind.__module__.partition(".")[0]
        if version := getattr(sys.modules.get(package), "__version__", ""):
            return f"{NAMES.get(package, package)} {version}"
    return ""


def last_step(model: Any) -> Any:
    """The estimator at the end of a scikit-learn pipeline; any other model itself."""
    steps = getattr(model, "steps", None)
    return steps[-1][1] if isinstance(steps, list) and steps else model


def encoder(model: Any) -> Any:
    """What comes before the last step of a scikit-learn pipeline, or None."""
    return model[:-1] if last_step(model) is not model else None
