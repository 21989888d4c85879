"""A trained model to the exported form that everything after training uses.

The form is a directory with `signature.json` and `model.onnx`, or the folder `pyfunc/` for a model
that has no ONNX form. Each framework brings an exporter: a module of this folder with

- `predict(model, features)`: arrays (n, *shape) by feature → (n, classes), (n, 1) or (n,)
- `to_onnx(model, features, classes)`: a graph whose inputs are the features, in their order
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..errors import UserError


class ExportError(UserError):
    """A model that cannot be exported, or whose export predicts something else."""


def optional(name: str) -> Any:
    """The module of this folder with that name, or None where no answer brought it."""
    return import_module(f".{name}", __name__) if find_spec(f".{name}", __name__) else None
