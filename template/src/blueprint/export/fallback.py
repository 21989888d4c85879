"""The fallback: a model that has no ONNX form, kept as an MLflow pyfunc.

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

from . import ExportError
from .native import Native


class Fallback(pyfunc.PythonModel):  # type: ignore[misc]
    """What predicts with the model."""

    def __init__(self, native: Native) -> None:
        self.run = native.predict

    # It gets a dict of arrays by feature; what MLflow would do by that type is in its way.
    def predict(self, context: Any, model_input: np.ndarray, params: Any = None) -> np.ndarray:
        features: Any = model_input
        return self.run(features)


def write_pyfunc(native: Native, path: Path, package: str) -> None:
    """Write the folder, with the code of the owner's `package`.

    Raises `ExportError` for a model that cannot be pickled.
    """
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # it suggests signatures and examples
    names = {package, __name__.partition(".")[0]} & sys.modules.keys()
    carried = [sys.modules[name] for name in names]
    for module in carried:
        cloudpickle.register_pickle_by_value(module)
    try:
        # No requirements: MLflow would guess them by loading the model in another environment.
        pyfunc.save_model(str(path), python_model=Fallback(native), pip_requirements=[])
    except Exception as error:  # pickling fails in as many ways as there are classes
        text = " ".join(str(error).split())[:200]
        raise ExportError(f"{native.name} has no ONNX form and no pickle: {text}") from error
    finally:
        for module in carried:
            cloudpickle.unregister_pickle_by_value(module)
