"""The contract between steps: a directory of Parquet files and a `schema.json`."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..errors import UserError
from . import DataError

Arrays = tuple[dict[str, np.ndarray], np.ndarray]
SLICES = "gate.slices.columns in config/"


@dataclass(frozen=True)
class Feature:
    """One column that a model takes: a NumPy type or "string", and one value's shape.

    Where values may be missing (`nullable`), a missing number is NaN and a missing text is empty.
    """

    dtype: str
    shape: tuple[int, ...]
    nullable: bool = False

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Schema:
    """What `schema.json` holds. `content_hash` is the SHA-256 of all values in row order."""

    task: str
    features: dict[str, Feature]
    label: str
    classes: tuple[str, ...]  # none where the label is a number
    rows: int
    content_hash: str
    source: str

    @classmethod
    def read(cls, path: Path) -> "Schema":
        raw = json.loads(path.read_text())
        features = {
            name: Feature(value["dtype"], tuple(value["shape"]), value["nullable"])
            for name, value in raw.pop("features").items()
        }
        return cls(features=features, classes=tuple(raw.pop("classes")), **raw)

    @property
    def texts(self) -> list[str]:
        """The names of the features that are texts."""
        return [name for name, feature in self.features.items() if feature.dtype == "string"]

    @property
    def numbers(self) -> list[str]:
        """The names of the features that are numbers."""
        return [name for name in self.features if name not in self.texts]

    def facts(self) -> dict[str, str | int]:
        """What a reader of the pipeline's run wants to see of the data set."""
        return {"rows": self.rows, "source": self.source, "content_hash": self.content_hash}

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2, allow_nan=False) + "\n")


class Dataset:
    """A directory of `part-*.parquet` files with a `schema.json`, read in batches or at once."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    @cached_property
    def schema(self) -> Schema:
        try:
            return Schema.read(self.directory / "schema.json")
        except FileNotFoundError:
            raise DataError(f"{self.directory} is not a data set: no schema.json in it") from None

    def scan(self) -> pl.LazyFrame:
        """The rows as a Polars query; a label that names classes is an enumeration of them."""
        return pl.scan_parquet(self.directory / "part-*.parquet")

    def batches(self, rows: int = 16_384) -> Iterator[Arrays]:
        """Yield features by name, each (n, *shape), and labels (n,).

        Labels are indices into the classes, or the numbers themselves (float64) in a regression.
        """
        read = 0
        for batch in self.scan().collect_batches(chunk_size=rows, maintain_order=True):
            features = {name: batch[name].to_numpy() for name in self.schema.features}
            labels = batch[self.schema.label]
            numbers = labels.to_physical().cast(pl.Int64) if self.schema.classes else labels
            yield features, numbers.to_numpy()
            read += len(batch)
        if read != self.schema.rows:  # Polars ends early, without an error, when it panics
            raise DataError(f"{self.directory} has {read} of its {self.schema.rows} rows")

    def arrays(self) -> Arrays:
        """All rows at once, in the form of `batches`. For data that fits in memory."""
        parts = list(self.batches())
        features = {
            name: np.concatenate([part[0][name] for part in parts]) for name in self.schema.features
        }
        return features, np.concatenate([part[1] for part in parts])

    def table(self) -> tuple[pl.DataFrame, np.ndarray]:
        """All rows as a data frame for an encoder, and labels (n,) in the form of `batches`."""
        features, labels = self.arrays()
        return as_table(features), labels

    def class_weights(self) -> np.ndarray:
        """A weight for each class (classes,) that makes rare ones count as much as frequent ones.

        Rows over classes times the class's rows, as scikit-learn's "balanced" has it.
        """
        labels = np.concatenate([labels for _, labels in self.batches()])
        counts = np.bincount(labels, minlength=len(self.schema.classes))
        return len(labels) / (len(counts) * np.maximum(counts, 1))


def check_columns(data: Dataset, columns: Iterable[str]) -> None:
    """Raise `UserError` for a column of `gate.slices` that is no feature, or that holds arrays."""
    features = data.schema.features
    for name in columns:
        if name not in features:
            raise UserError(f"{SLICES}: {name!r} is no feature; there are {', '.join(features)}")
        if features[name].shape:
            raise UserError(f"{SLICES}: {name!r} holds arrays, of which there are no slices")


def as_table(features: Mapping[str, np.ndarray]) -> pl.DataFrame:
    """Scalar features as a data frame: texts, and the float32 that exported models see."""
    return pl.DataFrame(
        {
            name: pl.Series(values, dtype=pl.String if values.dtype == object else pl.Float32)
            for name, values in features.items()
        }
    )


def as_instance(values: Mapping[str, Any], features: Mapping[str, Feature]) -> dict[str, Any]:
    """One row as an instance of a request: a missing value of a nullable feature is null."""
    plain = {
        name: value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        for name, value in values.items()
    }
    return {name: _nulls(v) if features[name].nullable else v for name, v in plain.items()}


def _nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_nulls(each) for each in value]
    return None if value == "" or value != value else value  # NaN alone is not itself
