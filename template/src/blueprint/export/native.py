"""A trained model as its own library runs it, whichever library that is."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..data.dataset import Schema
from . import ExportError, optional

# The package of a model's class, or of one that it inherits from → the module that exports it, and
# the answer that brings this module.
EXPORTERS = {
    "keras": ("keras", "framework=tensorflow"),
    "torch": ("torch", "framework=pytorch"),
    "xgboost": ("boosting", "framework=xgboost"),
    "lightgbm": ("boosting", "framework=xgboost"),
    "catboost": ("catboost", "framework=xgboost"),
    "sklearn": ("sklearn", "framework=sklearn"),
}
NAMES = {"sklearn": "scikit-learn", "torch": "PyTorch", "keras": "Keras", "xgboost": "XGBoost"}
Features = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Native:
    """A trained model: `predict` gives probabilities (n, classes), or numbers (n,)."""

    model: Any
    name: str  # of its class, for messages
    predict: Callable[[Features], np.ndarray]
    to_onnx: Callable[[], Any]  # raises what the exporter raises


def native(model: Any, schema: Schema) -> Native:
    """Find who runs and exports the model.

    Raises `ExportError` for what cannot predict, and for a library whose exporter is not here.
    """
    last, features, classes = last_step(model), schema.features, schema.classes
    packages = [base.__module__.partition(".")[0] for base in type(last).__mro__]
    name = type(last).__name__
    known = next((package for package in EXPORTERS if package in packages), None)
    if known is None:
        if not hasattr(model, "predict"):
            raise ExportError(
                f"train_model in train.py returned a {name}, which has no `predict`; "
                "docs/your-own-model.md says what a model may be"
            )
        return Native(model, name, partial(_predict, _call, model, not classes), _no_exporter)
    exporter = _exporter(name, *EXPORTERS[known])
    if last is not model and "sklearn" not in packages:  # a network behind an encoder
        sklearn = _exporter("pipeline with an encoder", "sklearn", f"task={schema.task}")
        run, convert = sklearn.behind_encoder(exporter)
    else:
        run, convert = exporter.predict, exporter.to_onnx
    return Native(
        model,
        name,
        partial(_predict, run, model, not classes),
        partial(convert, model, features, classes),
    )


def _exporter(name: str, module: str, answer: str) -> Any:
    if exporter := optional(module):
        return exporter
    raise ExportError(
        f"train_model in train.py returned a {name}, whose exporter is not in this project: "
        f'`make upgrade ARGS="{answer}"` adds it and keeps your files'
    )


def last_step(model: Any) -> Any:
    """The estimator at the end of a scikit-learn pipeline; any other model itself."""
    steps = getattr(model, "steps", None)
    return steps[-1][1] if isinstance(steps, list) and steps else model


def library(model: Any) -> str:
    """The library of a model's class with its version, as "Keras 3.12.0"; else ""."""
    for base in type(last_step(model)).__mro__:
        package = base.__module__.partition(".")[0]
        if version := getattr(sys.modules.get(package), "__version__", ""):
            return f"{NAMES.get(package, package)} {version}"
    return ""


# These two are pickled with a model that has no ONNX form, so they import nothing by name.
def _predict(run: Any, model: Any, numbers: bool, features: Features) -> np.ndarray:
    result = np.asarray(run(model, features), np.float32)
    return result[:, 0] if numbers and result.shape[1:] == (1,) else result


def _call(model: Any, features: Features) -> Any:
    return model.predict(dict(features))


def _no_exporter() -> Any:
    raise NotImplementedError("no exporter knows its class")
