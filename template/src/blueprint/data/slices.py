"""Which columns can be sliced: checked before a model is trained, and when slices are measured."""

from collections.abc import Iterable

from ..errors import UserError
from .dataset import Dataset

SETTING = "gate.slices.columns in config/"


def check_columns(data: Dataset, columns: Iterable[str]) -> None:
    """Raise `UserError` for a column that is no feature of the data, or that holds arrays."""
    features = data.schema.features
    for name in columns:
        if name not in features:
            known = ", ".join(features)
            raise UserError(f"{SETTING}: {name!r} is no feature; there are {known}")
        if features[name].shape:
            raise UserError(f"{SETTING}: {name!r} holds arrays, of which there are no slices")
