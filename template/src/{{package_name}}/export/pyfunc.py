"""The slow road: a model without an ONNX form, kept as an MLflow pyfunc.

It is pickled with its class by name, so this project and the model's library must be installed
where it is loaded. The registry is trusted: reading a pickle runs code.
"""

import logging
import tempfile
from pathlib import Path

import cloudpickle
from mlflow import pyfunc

from .errors import ExportError
from .family import Native

PICKLE = "native.pkl"


def write_pyfunc(native: Native, path: Path) -> None:
    """Write the folder. Raises `ExportError` for a model that cannot be pickled."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # it suggests signatures and examples
    with tempfile.TemporaryDirectory() as directory:
        pickled = Path(directory) / PICKLE
        try:
            pickled.write_bytes(cloudpickle.dumps(native))
        except Exception as error:  # pickling fails in as many ways as there are classes
            text = " ".join(str(error).split())[:200]
            raise ExportError(
                f"{native.name} has no ONNX form and cannot be pickled either: {text}"
            ) from error
        # No requirements: MLflow would guess them by loading the model in another environment.
        pyfunc.save_model(
            str(path), loader_module=__name__, data_path=str(pickled), pip_requirements=[]
        )


def _load_pyfunc(path: str) -> Native:
    """What MLflow calls to load the model; its `predict` takes a dict of arrays by feature."""
    native: Native = cloudpickle.loads(Path(path).read_bytes())
    return native
