"""The log for who compares: a lazy Polars frame of predictions, with the labels that came since."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from ...data.sources.files.tables import PATIENCE
from ..reference_rows import INPUT
from .files import File, LogFolder
from .settings import PredictionLog

KEY = ["request_id", "row"]
READERS = 16  # files of a bucket whose columns are asked for at the same time
EMPTY: dict[str, Any] = {
    "request_id": pl.String,
    "row": pl.Int32,
    "time": pl.Datetime("us", "UTC"),
    "version": pl.String,
    "route": pl.String,
    "prediction": pl.String,
    "probability": pl.Float64,
}


def scan(
    section: PredictionLog,
    model: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    newest: int | None = None,
) -> pl.LazyFrame:
    """The logged rows of a model, and their `label`, null where none came.

    Of a time (UTC, `since` included, `until` not), or the `newest` rows, in order of time, or all.
    Columns are those that the server writes; where versions differ, a row has null for inputs that
    its version does not have. A missing number, NaN to the model, is null. Only what is asked for
    is read. Raises `UserError` where the folder or bucket cannot be read.
    """
    folder = LogFolder(section.path, model)
    files = folder.files(since, until)
    if newest is not None:
        files = _newest(files, newest, section.flush_seconds)
    rows = _scan(folder, files, EMPTY)
    if since is not None:
        rows = rows.filter(pl.col("time") >= since)
    if until is not None:
        rows = rows.filter(pl.col("time") < until)
    if newest is not None:
        rows = rows.sort("time", "request_id", "row").tail(newest)
    schema = rows.collect_schema()
    inputs = [n for n, t in schema.items() if n.startswith(INPUT) and t.is_float()]
    rows = rows.with_columns(pl.col(inputs).fill_nan(None))
    labels = read_labels(folder, schema["prediction"], files)
    return rows.join(labels.select(*KEY, "label"), on=KEY, how="left", maintain_order="left")


def read_labels(folder: LogFolder, dtype: pl.DataType, files: Sequence[File] = ()) -> pl.LazyFrame:
    """The newest label of each row, by KEY and `time`, of the type of the predictions.

    With `files`, labels written before the first of them are left out.
    """
    begin = min((each.day for each in files if each.day), default=None)
    since = datetime.fromisoformat(f"{begin}T00:00:00+00:00") if begin else None
    empty = {"request_id": pl.String, "row": pl.Int32, "label": dtype, "time": EMPTY["time"]}
    found = _scan(folder, folder.labels(since), empty)
    return found.sort("time").unique(KEY, keep="last")


def _newest(files: list[File], rows: int, flush_seconds: float) -> list[File]:
    """The files that hold the newest rows: another process may have kept some of them longer."""
    newest = sorted(files, key=lambda file: file.name.rpartition("/")[2], reverse=True)
    kept: list[File] = []
    while newest and rows > 0:
        kept.append(newest.pop(0))
        rows -= kept[-1].rows
    last = kept[-1].written if kept else None
    if last:
        edge = last - timedelta(seconds=2 * flush_seconds)
        kept += [file for file in newest if file.written and file.written >= edge]
    return kept


def _scan(folder: LogFolder, files: Sequence[File], empty: Mapping[str, Any]) -> pl.LazyFrame:
    """The rows of files whose columns may differ."""
    uris = [folder.uri(file.name) for file in files]
    groups: dict[tuple[tuple[str, pl.DataType], ...], list[str]] = {}
    with ThreadPoolExecutor(READERS) as pool:
        for uri, schema in zip(uris, pool.map(_schema, uris), strict=True):
            if schema is not None:
                groups.setdefault(tuple(schema.items()), []).append(uri)
    storage = None if folder.local else PATIENCE
    frames = [
        pl.scan_parquet(group, storage_options=storage, glob=False, hive_partitioning=False)
        for group in groups.values()
    ]
    return pl.concat(frames or [pl.LazyFrame(schema=empty)], how="diagonal_relaxed")


def _schema(uri: str) -> pl.Schema | None:
    """The columns of a file; None if it has been deleted meanwhile."""
    storage = PATIENCE if "://" in uri else None
    try:
        return pl.scan_parquet(uri, storage_options=storage, glob=False).collect_schema()
    except FileNotFoundError:
        return None
