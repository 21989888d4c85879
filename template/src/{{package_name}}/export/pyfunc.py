"""The slow road: a model without an ONNX form, kept as an MLflow pyfunc.

It is pickled with its class by name, so this project and the model's library must be installed
where it is loaded. The registry is trusted: reading a pickle runs code.
"""

import logging
import warnings
from pathlib import Path

from mlflow import pyfunc

from .errors import ExportError
from .family import Native


class Adapter(pyfunc.PythonModel):  # type: ignore[misc]
    """What MLflow keeps: the native model behind MLflow's own signature."""

    def __init__(self, native: Native) -> None:
        self.native = native

    def predict(self, context, model_input, params=None):  # type: ignore  # MLflow reads annotations
        """Arrays (n, *shape) by feature → probabilities (n, classes), or numbers (n,)."""
        return self.native.predict(model_input)


def write_pyfunc(native: Native, path: Path) -> None:
    """Write the folder. Raises `ExportError` for a model that cannot be pickled."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # it suggests signatures and examples
    try:
        with warnings.catch_warnings(action="ignore"):
            pyfunc.save_model(str(path), python_model=Adapter(native), pip_requirements=[])
    except Exception as error:  # pickling fails in as many ways as there are classes
        text = " ".join(str(error).split())[:200]
        raise ExportError(
            f"{native.name} has no ONNX form and cannot be pickled either: {text}"
        ) from error
