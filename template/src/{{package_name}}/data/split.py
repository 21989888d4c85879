"""Rows to train, validation and test sets, in one streaming pass.

A row's set follows from the row alone: from a hash of its features or of one column (`group`), or
from its day or number (`time`). So a split is the same on every machine and stays the same when
rows are appended, and equal rows are on one side: none leaks from train to test.
"""

import hashlib
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from .columns import (
    IMAGES,
    REGRESSION,
    check_label,
    prepare_features,
    prepare_label,
    refuse_missing,
)
from .dataset import DataError, Dataset, Feature, Schema
from .hashing import Digest, shares

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
) -> dict[str, Dataset]:
    """Write `rows` as one data set a name in `directories`, and leave nothing behind on failure.

    `split` is `data.split` of the configuration: for each name but the first its share of the rows,
    or with `time` its first day or number; the first name gets the rest. Only `nullable` features
    may have missing values. Raises `DataError` for rows that no model can be trained and tested on.
    """
    names = list(directories)
    group, time = split.get("group"), split.get("time")
    try:
        with _naming(source):
            schema = rows.collect_schema()
            _check_names(schema, {"label": label, "split.group": group, "split.time": time})
            check_label(schema[label], label, task)
            inputs = [name for name in schema if name not in (label, group, time)]
            rows, features = prepare_features(rows, inputs, nullable, task)
            rows, bounds = _prepare_places(rows, split, names)
        rows, classes = prepare_label(rows, label, task)
        writers = [_Writer(Path(path), features, label) for path in directories.values()]

        def write(batch: pl.DataFrame) -> None:
            with _naming(source):
                refuse_missing(batch, features)
                if task == REGRESSION and (wrong := int(batch[label].is_infinite().sum())):
                    raise DataError(f"column {label!r}: infinite in {wrong} rows")
            if time:
                place = np.searchsorted(bounds, batch[time].to_physical().to_numpy(), side="right")
            else:
                hashes = shares(batch[name] for name in ([group] if group else sorted(features)))
                place = (np.searchsorted(bounds, hashes, side="right") + 1) % len(names)
            for index, writer in enumerate(writers):
                writer.write(batch.filter(pl.Series(place == index)))

        # Not collect_batches: when Polars panics, that ends as if there were no more rows.
        rows.sink_batches(write, chunk_size=BATCH_ROWS, maintain_order=True)
        with _naming(source):
            for name, writer in zip(names, writers, strict=True):
                if not writer.rows:
                    raise DataError(f"no rows for the {name} set (data.split in config/)")
            _refuse_one_label(writers[0], classes)
        return {
            name: writer.close(task, classes, source)
            for name, writer in zip(names, writers, strict=True)
        }
    except BaseException as error:
        for path in directories.values():
            shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, pl.exceptions.PolarsError | pl.exceptions.PanicException):
            raise DataError(f"source {source}: {' '.join(str(error).split())}") from error
        raise


@contextmanager
def _naming(source: str) -> Iterator[None]:
    """Put the source in front of what is wrong with its rows."""
    try:
        yield
    except DataError as error:
        raise DataError(f"source {source}: {error}") from None


def _check_names(schema: pl.Schema, names: Mapping[str, str | None]) -> None:
    for setting, name in names.items():
        if name and name not in schema:
            raise DataError(
                f"no column {name!r}, which data.{setting} in config/ names; "
                f"the columns are {', '.join(schema)}"
            )


def _prepare_places(
    rows: pl.LazyFrame, split: Mapping[str, Any], names: list[str]
) -> tuple[pl.LazyFrame, np.ndarray]:
    """The rows, the column that decides on their set made comparable, and the bounds (sets - 1,).

    A bound is where a set ends and the next begins: a sum of shares, or a day or number.
    """
    given = [split[name] for name in names[1:]]
    name = split.get("time") or split.get("group")
    if not name:
        return rows, np.cumsum(given)
    kind, value = rows.collect_schema()[name], pl.col(name)
    if isinstance(kind, pl.Enum | pl.Categorical):
        value = value.cast(pl.String)
    if kind.is_decimal():
        value = value.cast(pl.Float64)
    if kind.is_nested():
        raise DataError(f"column {name!r}: {kind} cannot decide on the split")
    if not split.get("time"):
        return rows.with_columns(value), np.cumsum(given)
    if not (kind.is_numeric() or kind in (pl.Date, pl.Datetime)):
        raise DataError(
            f"column {name!r}: {kind} is neither a day nor a number, which data.split.time needs; "
            "declare it as date or datetime in data.columns"
        )
    if kind.is_numeric() == isinstance(given[0], str):
        raise DataError(
            f"column {name!r}: {kind} cannot be compared with {given[0]!r} (data.split in config/)"
        )
    if kind.is_numeric():
        return rows.with_columns(value), np.array(given)
    if isinstance(kind, pl.Datetime) and kind.time_zone:
        value = value.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    days = [np.datetime64(datetime.fromisoformat(day), "us") for day in given]
    return rows.with_columns(value.cast(pl.Datetime("us"))), np.array(days).astype(np.int64)


def _refuse_one_label(train: "_Writer", classes: tuple[str, ...]) -> None:
    if train.lowest == train.highest:
        value = repr(classes[int(train.lowest)]) if classes else train.lowest
        needs = "classifier needs at least two classes" if classes else "regression needs several"
        raise DataError(f"every training row has the label {value}; a {needs}")


class _Writer:
    """Writes one data set batch by batch, and hashes each column on the way."""

    def __init__(self, directory: Path, features: dict[str, Feature], label: str) -> None:
        self.directory, self.features, self.label = directory, features, label
        self.rows, self.parts = 0, 0
        self.lowest, self.highest = np.inf, -np.inf  # of the labels, or of their classes
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
        self.lowest = min(self.lowest, labels.min())
        self.highest = max(self.highest, labels.max())
        self.rows, self.parts = self.rows + len(batch), self.parts + 1

    def close(self, task: str, classes: tuple[str, ...], source: str) -> Dataset:
        columns = b"".join(digest.digest() for digest in self.digests.values())
        content_hash = hashlib.sha256(columns).hexdigest()
        schema = Schema(task, self.features, self.label, classes, self.rows, content_hash, source)
        schema.write(self.directory / "schema.json")
        return Dataset(self.directory)
