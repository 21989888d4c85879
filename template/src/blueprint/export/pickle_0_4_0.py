"""Fallback models of 0.4.0, whose pickles name the code of their project instead of carrying it."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from ..data import dataset
from ..errors import UserError
from .native import Features, native


class Native:
    """What such a pickle holds: `model` and `schema`."""

    model: Any
    schema: dataset.Schema

    def predict(self, features: Features) -> np.ndarray:
        return native(self.model, self.schema).predict(features)


class _Unpickler(pickle.Unpickler):
    """Finds code where it is today: the owner's was in the folder `steps` of the package."""

    def find_class(self, module: str, name: str) -> Any:
        package, _, rest = module.partition(".")
        if (rest, name) == ("export.family", "Native"):
            return Native
        if rest == "data.dataset" and name in ("Schema", "Feature"):
            return getattr(dataset, name)
        try:
            return super().find_class(module, name)
        except ModuleNotFoundError:
            return super().find_class(f"{package}.{rest.removeprefix('steps.')}", name)


def load(path: Path) -> Native:
    """Read the pickle. Raises `UserError` where the owner's code is not there any more."""
    try:
        with path.open("rb") as file:
            model: Native = _Unpickler(file).load()
    except (AttributeError, ImportError) as error:
        raise UserError(
            f"{error}: a model from before 0.4.1 does not carry its code; put that back as it was "
            "and `make run` once, or give registry.name in config/ another name"
        ) from error
    return model
