"""Rows to train, validation and test sets, in one streaming pass.

A row's set follows from the row alone: from a hash of its features or of one column (`group`), or
from its day or number (`time`). So a split is the same on every machine and stays the same when
rows are appended, and equal rows are on one side: none leaks from train to test.
"""

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from . import DataError
from .dataset import Dataset, Feature
from .features import IMAGES, prepare_features, prepare_label, rules_of_model
from .frames import ERRORS, one_line
from .hashing import shares
from .rules import Faults, list_columns
from .writer import Writer, check_trainable

BATCH_ROWS = 65_536


def write_splits(
    rows: pl.LazyFrame,
    directories: Mapping[str, str | Path],
    split: Mapping[str, Any],
    *,
    label: str,
    source: str,
    task: str = IMAGES,
    nullable: Collection[str] = (),
    unlabelled: str = "refuse",
    notes: list[str] | None = None,
    explain: Callable[[BaseException], str] = one_line,
) -> dict[str, Dataset]:
    """Write `rows` as one data set a name in `directories`, and leave nothing behind on failure.

    `split` is `data.split` of the configuration: for each name but the first its share of the rows,
    or with `time` its first day or number; the first name gets the rest. Only `nullable` features
    may have missing values. Rows without a label are an error, or dropped where `unlabelled` says
    so. `notes` gets a line for what people should know.
    Raises `DataError` for rows that no model can be trained and tested on.
    """
    names = list(directories)
    group, time = split.get("group"), split.get("time")
    try:
        with _naming(source, explain):
            schema = rows.collect_schema()
            for setting, name in {"label": label, "split.group": group, "split.time": time}.items():
                if name and name not in schema:
                    raise DataError(
                        f"no column {name!r}, which data.{setting} in config/ names; "
                        + list_columns(schema)
                    )
            inputs = [name for name in schema if name not in (label, group, time)]
            rows, features = prepare_features(rows, inputs, nullable, task)
            rows, bounds = _prepare_bounds(rows, split, names)
            rows, classes = prepare_label(rows, label, task)
            rules = rules_of_model(rows.collect_schema(), features, label)
            writers = partial(_writers, directories, features, label, classes)
            sets = _Sets(writers(), Faults(rules), bounds, split, drop=unlabelled == "drop")
            sets.read(rows)
            if len(pins := sets.unseen_classes()):
                sets = _Sets(writers(), Faults(rules), bounds, split, drop=sets.drop, pins=pins)
                sets.read(rows)
            sets.faults.raise_first()
            every = sum(writer.rows for writer in sets.writers)
            for name, writer in zip(names, sets.writers, strict=True):
                if not writer.rows:
                    which = f" for the {name} set, of {every:,} in all (data.split in config/)"
                    raise DataError(f"no rows{which if every else ''}")
            lacking = check_trainable(*sets.writers)
        if notes is not None:
            notes += [*sets.lines(), *lacking]
        return {
            name: writer.close(task, source)
            for name, writer in zip(names, sets.writers, strict=True)
        }
    except BaseException:
        for path in directories.values():
            shutil.rmtree(path, ignore_errors=True)
        raise


@contextmanager
def _naming(source: str, explain: Callable[[BaseException], str]) -> Iterator[None]:
    """Put the source in front of what is wrong with its rows."""
    try:
        yield
    except DataError as error:
        named = str(error).startswith(f"source {source}: ")
        raise error if named else DataError(f"source {source}: {error}") from None
    except ERRORS as error:
        raise DataError(f"source {source}: {explain(error)}") from error


def _writers(
    directories: Mapping[str, str | Path],
    features: dict[str, Feature],
    label: str,
    classes: tuple[str, ...],
) -> list[Writer]:
    for path in directories.values():
        shutil.rmtree(path, ignore_errors=True)
    return [Writer(Path(path), features, label, classes) for path in directories.values()]


def _prepare_bounds(
    rows: pl.LazyFrame, split: Mapping[str, Any], names: list[str]
) -> tuple[pl.LazyFrame, np.ndarray]:
    """The rows, the column that decides on their set made comparable, and the bounds (sets - 1,).

    A bound is where a set ends and the next begins: a sum of shares, or a day or number.
    """
    given = [split[name] for name in names[1:]]
    name = split.get("time") or split.get("group")
    if not name:
        return rows, np.cumsum(given)
    dtype, value = rows.collect_schema()[name], pl.col(name)
    if isinstance(dtype, pl.Enum | pl.Categorical):
        value = value.cast(pl.String)
    if dtype.is_decimal():
        value = value.cast(pl.Float64)
    if dtype.is_nested():
        raise DataError(f"column {name!r}: {dtype} cannot decide on the split")
    if not split.get("time"):
        return rows.with_columns(value), np.cumsum(given)
    if not (dtype.is_numeric() or dtype in (pl.Date, pl.Datetime)):
        raise DataError(
            f"column {name!r}: {dtype} is neither a day nor a number, which data.split.time needs; "
            "declare it as date or datetime in data.columns"
        )
    if dtype.is_numeric() == isinstance(given[0], str):
        raise DataError(f"data.split: {name!r}: {dtype} cannot be compared with {given[0]!r}")
    if dtype.is_numeric():
        return rows.with_columns(value), np.array(given)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        value = value.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    days = [np.datetime64(datetime.fromisoformat(day), "us") for day in given]
    return rows.with_columns(value.cast(pl.Datetime("us"))), np.array(days).astype(np.int64)


class _Sets:
    """The sets that one reading fills.

    Rows whose hash is one of `pins` are for the first set, wherever their hash belongs.
    """

    def __init__(
        self,
        writers: list[Writer],
        faults: Faults,
        bounds: np.ndarray,
        split: Mapping[str, Any],
        *,
        drop: bool,
        pins: np.ndarray | tuple[()] = (),
    ) -> None:
        self.writers, self.faults, self.bounds, self.pins = writers, faults, bounds, pins
        self.label, self.classes = writers[0].label, writers[0].classes
        self.group, self.time = split.get("group"), split.get("time")
        self.columns = [self.group] if self.group else sorted(writers[0].features)
        self.drop, self._dropped = drop, 0
        self._highest = np.full(len(self.classes), -1.0)  # hash of a class's rows

    def read(self, rows: pl.LazyFrame) -> None:
        # Not collect_batches: when Polars panics, that ends as if there were no more rows.
        rows.sink_batches(self._write, chunk_size=BATCH_ROWS, maintain_order=True)

    def unseen_classes(self) -> np.ndarray:
        """Of each class that has rows, but none to train on, the hash that is nearest to those."""
        unseen = (self._highest >= 0) & (self._highest < self.bounds[-1])
        return np.asarray(self._highest[unseen])

    def lines(self) -> list[str]:
        """What became of rows, for people."""
        if not self._dropped:
            return []
        return [f"left out {self._dropped:,} rows without a label (data.unlabelled: drop)"]

    def _write(self, batch: pl.DataFrame) -> None:
        if self.drop:
            labels = batch[self.label]
            labels = labels.fill_nan(None) if labels.dtype.is_float() else labels
            self._dropped += labels.null_count()
            batch = batch.filter(labels.is_not_null())
        if not self.faults.add(batch):
            return
        numbers = self._numbers(batch)
        for index, writer in enumerate(self.writers):
            writer.write(batch.filter(pl.Series(numbers == index)))

    def _numbers(self, batch: pl.DataFrame) -> np.ndarray:
        """The number of each row's set, (n,)."""
        if self.time:
            days = batch[self.time].to_physical().to_numpy()
            return np.asarray(np.searchsorted(self.bounds, days, side="right"))
        hashes = shares(batch[name] for name in self.columns)
        if self.classes:
            np.maximum.at(self._highest, batch[self.label].to_physical().to_numpy(), hashes)
        number = (np.searchsorted(self.bounds, hashes, side="right") + 1) % len(self.writers)
        return np.where(np.isin(hashes, self.pins), 0, number)
