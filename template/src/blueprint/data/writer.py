"""A set of rows on its way to Parquet files, and whether a model can be fitted to it."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl

from ..text import listing
from . import DataError
from .dataset import Dataset, Feature, Schema
from .features import LEAVE_OUT
from .hashing import Digest


class Writer:
    """Writes one data set batch by batch, and hashes each column on the way.

    `counts` has the rows of each class; `lowest` and `highest` are those of other labels. `empty`
    are the nullable numbers that had no value so far.
    """

    def __init__(
        self, directory: Path, features: dict[str, Feature], label: str, classes: tuple[str, ...]
    ) -> None:
        self.directory, self.features, self.label = directory, features, label
        self.classes, self.counts = classes, np.zeros(len(classes), np.int64)
        self.rows, self.parts = 0, 0
        self.lowest, self.highest = np.inf, -np.inf
        self.empty = {
            name for name, value in features.items() if value.nullable and value.dtype != "string"
        }
        self.digests = {name: Digest() for name in (*sorted(features), label)}
        directory.mkdir(parents=True, exist_ok=True)

    def write(self, batch: pl.DataFrame) -> None:
        if batch.is_empty():
            return
        batch = batch.select(*self.features, self.label)
        batch.write_parquet(self.directory / f"part-{self.parts:05}.parquet")
        for name, digest in self.digests.items():
            digest.update(batch[name])
        labels = batch[self.label].to_physical().to_numpy()
        if self.classes:
            self.counts += np.bincount(labels, minlength=len(self.classes))
        else:
            self.lowest = min(self.lowest, labels.min())
            self.highest = max(self.highest, labels.max())
        self.empty = {name for name in self.empty if batch[name].is_nan().all()}
        self.rows, self.parts = self.rows + len(batch), self.parts + 1

    def close(self, task: str, source: str) -> Dataset:
        columns = b"".join(digest.digest() for digest in self.digests.values())
        content_hash = hashlib.sha256(columns).hexdigest()
        classes, rows = self.classes, self.rows
        schema = Schema(task, self.features, self.label, classes, rows, content_hash, source)
        schema.write(self.directory / "schema.json")
        return Dataset(self.directory)


def check_trainable(train: Writer, *held_out: Writer) -> list[str]:
    """Raise `DataError` for training rows that no model can be fitted to, and return what some can.

    Scikit-learn's trees need a row of every class and a value in every column; networks, and in
    columns XGBoost, do without. What is installed says which is used.
    """
    seen = np.flatnonzero(train.counts)
    if train.classes and len(seen) == 1:
        raise DataError(
            f"every training row has the label {train.classes[seen[0]]!r}; "
            "a classifier needs at least two classes"
        )
    if train.lowest == train.highest:
        same = f"every training row has the label {train.lowest}"
        raise DataError(f"{same}; a regression needs several")
    lines, networks = [], any(map(find_spec, ("keras", "torch")))
    if unseen := np.flatnonzero(train.counts == 0).tolist():
        others = np.sum([writer.counts for writer in held_out], axis=0)
        named = listing((f"{train.classes[i]!r} ({others[i]:,})" for i in unseen), 5)
        lines.append(
            f"column {train.label!r}: no training row of {named}, where the number is that of its "
            "rows in the other sets; move data.split, leave such rows out in data.py, "
            f"or take classes without any row out of data.columns.{train.label}.values"
        )
        if not networks:
            raise DataError(lines[0])
    if train.empty:
        lines.append(
            f"column {', '.join(map(repr, sorted(train.empty)))}: no value in any of the "
            f"{train.rows:,} training rows; {LEAVE_OUT}"
        )
        if not (networks or find_spec("xgboost")):
            raise DataError(lines[-1])
    return lines
