"""Requests as a file: the columns of the log, by Arrow and in Parquet, without Polars.

`request_id`, `row` within the request, `time` (UTC), `version`, `route`, `prediction` (a class as
text, or a number), `probability` (of that class, null for numbers), and `input.<feature>`, in place
of a picture its statistics.
"""

import hmac
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from arro3.core import Array, DataType, RecordBatch
from arro3.io import write_parquet

from ...model import Signature, Tensor
from ..images import statistics

if TYPE_CHECKING:
    from .settings import PredictionLog

INPUT = "input."
DAY_SECONDS = 86_400
TEXT, ROW = DataType.utf8(), DataType.int32()
TIME = DataType.timestamp("us", tz="UTC")


class Entry(NamedTuple):
    """A logged request; `time` is in seconds, `inputs` and `outputs` have as many rows."""

    request_id: str
    time: float
    version: str
    route: str
    signature: Signature
    inputs: Mapping[str, np.ndarray] | None
    outputs: np.ndarray

    @property
    def rows(self) -> int:
        return len(self.outputs)

    @property
    def day(self) -> int:
        """The day, UTC, since 1970-01-01."""
        return int(self.time // DAY_SECONDS)


def groups(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Requests that can share a file: of one day, one version, and one form."""

    def group(entry: Entry) -> tuple[int, str, int, bool]:
        return entry.day, entry.version, id(entry.signature), entry.inputs is None

    for _, found in groupby(sorted(entries, key=group), group):
        yield list(found)


def encode(entries: Sequence[Entry], section: "PredictionLog", key: bytes) -> bytes:
    """A Parquet file of requests that can share one.

    Columns to be hashed are left out where there is no key.
    """
    first = entries[0]
    counts = [entry.rows for entry in entries]
    times = np.array([entry.time for entry in entries])
    stamps = np.round(times * 1e6).astype("datetime64[us]").repeat(counts)
    ids = _repeat([entry.request_id for entry in entries], counts)
    rows = np.concatenate([np.arange(n, dtype=np.int32) for n in counts])
    columns: dict[str, Any] = {
        "request_id": Array(ids, type=TEXT),
        "row": Array.from_numpy(rows),
        "time": Array.from_numpy(stamps).cast(TIME),
        "version": Array([first.version] * len(ids), type=TEXT),
        "route": Array(_repeat([entry.route for entry in entries], counts), type=TEXT),
    }
    outputs = np.concatenate([entry.outputs for entry in entries])
    columns["prediction"], columns["probability"] = _predictions(first.signature, outputs)
    texts = ["version", "route"]
    if first.inputs is not None:
        kept = _kept(first.signature, section, key)
        for tensor in kept:
            values = np.concatenate([entry.inputs[tensor.name] for entry in entries])  # type: ignore[index]
            if values.ndim > 1:
                prefix = f"{INPUT}{tensor.name}." if len(first.signature.inputs) > 1 else INPUT
                for name, numbers in statistics(values).items():
                    columns[prefix + name] = Array.from_numpy(numbers)
                continue
            column = _column(values, key if tensor.name in section.hashed else b"")
            columns[INPUT + tensor.name] = column
            if column.type == TEXT:
                texts.append(INPUT + tensor.name)
    batch = RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    file = io.BytesIO()
    # Numbers rarely repeat: without dictionaries they are written five times as fast, and the
    # server's other threads wait while they are.
    write_parquet(
        batch,
        file,
        compression="zstd(1)",
        dictionary_enabled=False,
        column_dictionary_enabled=dict.fromkeys(texts, True),
    )
    return file.getvalue()


def unknown(names: Collection[str], signature: Signature) -> list[str]:
    """The names that are no input of the model."""
    return sorted(set(names) - {tensor.name for tensor in signature.inputs})


def _kept(signature: Signature, section: "PredictionLog", key: bytes) -> list[Tensor]:
    """The inputs that are logged."""
    allowed = section.columns
    return [
        tensor
        for tensor in signature.inputs
        if (allowed is None or tensor.name in allowed)
        and (key or tensor.name not in section.hashed)
    ]


def _predictions(signature: Signature, outputs: np.ndarray) -> tuple[Array, Array]:
    """The columns `prediction` and `probability`."""
    nothing = Array([None] * len(outputs), type=DataType.float64())
    flat = outputs.reshape(len(outputs), -1)
    classes = signature.classes
    if classes and flat.shape[1] == len(classes):
        best = flat.argmax(axis=1)
        names = [classes[k] for k in best]
        sure = flat[np.arange(len(flat)), best].astype(np.float64)
        return Array(names, type=TEXT), Array.from_numpy(sure)
    if flat.shape[1] != 1:  # several numbers a row, which are no one prediction
        return nothing, nothing
    if classes or flat.dtype.kind in "OU":
        return Array([str(each) for each in flat[:, 0]], type=TEXT), nothing
    return Array.from_numpy(flat[:, 0].astype(np.float64)), nothing


def _column(values: np.ndarray, key: bytes) -> Array:
    if key:
        return Array([_hash(value, key) for value in values.tolist()], type=TEXT)
    if values.dtype.kind == "O":
        return Array([str(value) for value in values.tolist()], type=TEXT)
    return Array.from_numpy(np.ascontiguousarray(values))


def _hash(value: Any, key: bytes) -> str | None:
    """The HMAC-SHA256 of a value as text; of a missing one none, so that it can be counted."""
    if value == "" or value != value:
        return None
    return hmac.digest(key, str(value).encode(), "sha256").hex()


def _repeat(texts: Sequence[str], counts: Sequence[int]) -> list[str]:
    if len(texts) == sum(counts):
        return list(texts)
    return [text for text, n in zip(texts, counts, strict=True) for _ in range(n)]
