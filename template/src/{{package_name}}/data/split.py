"""Rows to train, validation and test sets, in one streaming pass.

A row's set follows from a hash of its own features. So a split is the same on every machine, stays
the same when rows are appended, and puts equal rows on the same side: none leaks from train to
test.
"""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from .dataset import DataError, Dataset, Feature, Schema

BATCH_ROWS = 65_536


def write_splits(
    rows: pl.LazyFrame,
    directories: Mapping[str, str | Path],
    fractions: Mapping[str, float],
    *,
    label: str,
    source: str,
    task: str = "image-classification",
) -> dict[str, Dataset]:
    """Write `rows` as one data set a name in `directories`, and leave nothing behind on failure.

    `fractions` gives each name but the first its share of the rows; the first gets the rest.
    Raises `DataError` for rows that no classifier can be trained and tested on.
    """
    names = list(directories)
    bounds = np.cumsum([fractions[name] for name in names[1:]])
    try:
        rows, features, classes = _prepare(rows, label, source)
        writers = [_Writer(Path(path), features, label) for path in directories.values()]

        def write(batch: pl.DataFrame) -> None:
            _refuse_nulls(batch, source)
            place = np.searchsorted(bounds, _row_hashes(batch, sorted(features)), side="right")
            for index, writer in enumerate([*writers[1:], writers[0]]):
                writer.write(batch.filter(pl.Series(place == index)))

        # Not collect_batches: when Polars panics, that ends as if there were no more rows.
        rows.sink_batches(write, chunk_size=BATCH_ROWS, maintain_order=True)
        for name, writer in zip(names, writers, strict=True):
            _refuse_useless(name, writer, classes, source)
        return {
            name: writer.close(task, classes, source) for name, writer in zip(names, writers, strict=True)
        }
    except BaseException as error:
        for path in directories.values():
            shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, pl.exceptions.PolarsError | pl.exceptions.PanicException):
            raise DataError(f"source {source}: {' '.join(str(error).split())}") from error
        raise


def _prepare(
    rows: pl.LazyFrame, label: str, source: str
) -> tuple[pl.LazyFrame, dict[str, Feature], tuple[str, ...]]:
    """Check the columns, name the classes, and make the label an enumeration of them."""
    schema = rows.collect_schema()
    if label not in schema:
        raise DataError(
            f"source {source}: no column {label!r} for the label (data.label in config/ names "
            f"it); the columns are {', '.join(schema)}"
        )
    features = {
        name: _feature(name, kind, source) for name, kind in schema.items() if name != label
    }
    if not features:
        raise DataError(f"source {source}: the only column is the label {label!r}")
    kind = schema[label]
    if isinstance(kind, pl.Enum):
        return rows, features, tuple(kind.categories)
    values = rows.select(pl.col(label).drop_nulls().unique().sort().cast(pl.String)).collect()
    classes = tuple(values[label])
    rows = rows.with_columns(pl.col(label).cast(pl.String).cast(pl.Enum(classes)))
    return rows, features, classes


def _feature(name: str, kind: pl.DataType, source: str) -> Feature:
    shape: tuple[int, ...] = ()
    if isinstance(kind, pl.Array):
        shape = kind.shape
        while isinstance(kind, pl.Array):
            kind = kind.inner  # type: ignore[assignment]
    if not kind.is_numeric():
        raise DataError(
            f"source {source}: column {name!r}: {kind} is no number and no fixed-shape array of "
            "numbers; steps/data.py can make one of it"
        )
    return Feature(str(kind).lower(), shape)


def _refuse_nulls(batch: pl.DataFrame, source: str) -> None:
    counts = batch.null_count().row(0, named=True)
    if missing := [f"{name} ({count})" for name, count in counts.items() if count]:
        raise DataError(f"source {source}: missing values in column {', '.join(missing)}")


def _row_hashes(batch: pl.DataFrame, features: list[str]) -> np.ndarray:
    """One number in [0, 1) a row, from the bytes of its features."""
    columns = [_bytes(batch[name].to_numpy().reshape(len(batch), -1)) for name in features]
    digests = (hashlib.blake2b(row, digest_size=8) for row in np.concatenate(columns, axis=1))
    numbers = np.frombuffer(b"".join(digest.digest() for digest in digests), "<u8")
    # 53 bits fill a double exactly: none is rounded up to 1.
    return (numbers >> np.uint64(11)) / 2**53


def _bytes(values: np.ndarray) -> np.ndarray:
    """The values' bytes in little-endian order, whatever the machine."""
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).view(np.uint8)


def _refuse_useless(name: str, writer: "_Writer", classes: tuple[str, ...], source: str) -> None:
    if not writer.rows:
        raise DataError(f"source {source}: no rows for the {name} set (data.split in config/)")
    if name == "train" and len(found := np.flatnonzero(writer.counts)) < 2:
        raise DataError(
            f"source {source}: every training row has the label {classes[found[0]]!r}; "
            "a classifier needs at least two classes"
        )


class _Writer:
    """Writes one data set batch by batch, and hashes each column on the way."""

    def __init__(self, directory: Path, features: dict[str, Feature], label: str) -> None:
        self.directory, self.features, self.label = directory, features, label
        self.rows, self.parts, self.counts = 0, 0, np.zeros(0, int)
        self.hashes = {name: hashlib.sha256() for name in (*sorted(features), label)}
        directory.mkdir(parents=True, exist_ok=True)

    def write(self, batch: pl.DataFrame) -> None:
        if batch.is_empty():
            return
        batch.write_parquet(self.directory / f"part-{self.parts:05}.parquet")
        labels = batch[self.label].to_physical().to_numpy()
        for name, digest in self.hashes.items():
            digest.update(_bytes(labels if name == self.label else batch[name].to_numpy()).data)
        counts = np.bincount(labels, minlength=len(self.counts))
        self.counts = counts + np.pad(self.counts, (0, len(counts) - len(self.counts)))
        self.rows, self.parts = self.rows + len(batch), self.parts + 1

    def close(self, task: str, classes: tuple[str, ...], source: str) -> Dataset:
        columns = b"".join(digest.digest() for digest in self.hashes.values())
        content_hash = hashlib.sha256(columns).hexdigest()
        schema = Schema(task, self.features, self.label, classes, self.rows, content_hash, source)
        schema.write(self.directory / "schema.json")
        return Dataset(self.directory)
