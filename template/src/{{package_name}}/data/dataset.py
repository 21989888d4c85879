"""The contract between steps: a directory of Parquet files and a `schema.json`."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from ..errors import UserError

Arrays = tuple[dict[str, np.ndarray], np.ndarray]


class DataError(UserError):
    """Data that cannot be read or cannot be learned from."""


@dataclass(frozen=True)
class Feature:
    """One column that a model takes: a NumPy type, and the shape of one value ([] is a scalar)."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Schema:
    """What `schema.json` holds. `content_hash` is the SHA-256 of all values in row order."""

    features: dict[str, Feature]
    label: str
    classes: tuple[str, ...]
    rows: int
    content_hash: str
    source: str

    @classmethod
    def read(cls, path: Path) -> "Schema":
        raw = json.loads(path.read_text())
        features = {
            name: Feature(value["dtype"], tuple(value["shape"]))
            for name, value in raw.pop("features").items()
        }
        return cls(features=features, classes=tuple(raw.pop("classes")), **raw)

    def facts(self) -> dict[str, str | int]:
        """What a reader of the pipeline's run wants to see of the data set."""
        return {"rows": self.rows, "source": self.source, "content_hash": self.content_hash}

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")


class Dataset:
    """A directory of `part-*.parquet` files with their `schema.json`; read in batches or whole."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    @cached_property
    def schema(self) -> Schema:
        try:
            return Schema.read(self.directory / "schema.json")
        except FileNotFoundError:
            raise DataError(f"{self.directory} is not a data set: no schema.json in it") from None

    def scan(self) -> pl.LazyFrame:
        """The rows as a Polars query; `label` is an enumeration of the classes."""
        return pl.scan_parquet(self.directory / "part-*.parquet")

    def batches(self, rows: int = 16_384) -> Iterator[Arrays]:
        """Yield features by name, each (n, *shape), and labels (n,) as indices into the classes."""
        read = 0
        for batch in self.scan().collect_batches(chunk_size=rows, maintain_order=True):
            features = {name: batch[name].to_numpy() for name in self.schema.features}
            yield features, batch[self.schema.label].to_physical().to_numpy().astype(np.int64)
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
