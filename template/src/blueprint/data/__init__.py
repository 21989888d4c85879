"""Data sets: where rows come from, and the form in which steps hand them on."""

from typing import TYPE_CHECKING, Any

from ..errors import UserError

if TYPE_CHECKING:
    from .dataset import Dataset, Feature, Schema, as_instance, as_table, check_columns
    from .split import write_splits

__all__ = ["DataError", "Dataset", "Feature", "Schema", "as_instance", "as_table"]
__all__ += ["check_columns", "write_splits"]


class DataError(UserError):
    """Data that cannot be read or cannot be learned from."""


def __getattr__(name: str) -> Any:
    """The names above, when they are asked for: who reads the settings needs no Polars."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import dataset, split

    return getattr(split if name == "write_splits" else dataset, name)
