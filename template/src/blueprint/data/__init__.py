"""Data sets: where rows come from, and the form in which steps hand them on."""

from .dataset import DataError, Dataset, Feature, Schema, as_instance, as_table
from .split import write_splits

__all__ = ["DataError", "Dataset", "Feature", "Schema", "as_instance", "as_table", "write_splits"]
