"""The fallback: a model without an ONNX form, kept as an MLflow pyfunc.

It is pickled with the code of this project that it needs, so that it loads when that code has
changed or is not there; the libraries that it imports must be installed. The registry is trusted:
reading a pickle runs code.
"""

import logging
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
from mlflow import pyfunc

from .errors import ExportError
from .family import Native, run


class Fallback(pyfunc.PythonModel):  # type: ignore[misc]
    """The model, and what asks it."""

    def __init__(self, native: Native) -> None:
        self.model, self.function = native.model, native.function()
        self.numbers = not native.schema.classes

    # It gets a dict of arrays by feature; what MLflow would do by that type is in its way.
    def predict(self, context: Any, model_input: np.ndarray, params: Any = None) -> np.ndarray:
        features: Any = model_input
        return run(self.function, self.model, features, numbers=self.numbers)


def write_pyfunc(native: Native, path: Path) -> None:
    """Write the folder. Raises `ExportError` for a model that cannot be pickled."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # it suggests signatures and examples
    project = sys.modules[__package__.partition(".")[0]]
    cloudpickle.register_pickle_by_value(project)
    try:
        # No requirements: MLflow would guess them by loading the model in another environment.
        pyfunc.save_model(str(path), python_model=Fallback(native), pip_requirements=[])
    except Exception as error:  # pickling fails in as many ways as there are classes
        text = " ".join(str(error).split())[:200]
        raise ExportError(
            f"{native.name} has no ONNX form and cannot be pickled either: {text}"
        ) from error
    finally:
        cloudpickle.unregister_pickle_by_value(project)


def _load_pyfunc(path: str) -> Native:
    """What MLflow calls to load a model of 0.4.0, which was pickled without its code."""
    try:
        native: Native = cloudpickle.loads(Path(path).read_bytes())
    except (AttributeError, ImportError) as error:
        raise RuntimeError(
            f"{error}: a model from before 0.4.1 does not carry its code; put that back as it was "
            "and `make run` once, or give registry.name in config/ another name"
        ) from error
    return native
