"""The rows to look at: of the log of predictions, of files, or of a query."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

from ... import rooms
from ...data import sources
from ...data.frames import one_line
from ...data.rules import DTYPES
from ...data.sources.files import tables
from ...errors import UserError
from ...model import Model, ModelError
from ...text import count, listing
from ..reference_rows import INPUT, as_frame
from .settings import Drift as Settings

LARGEST = 1_000_000  # rows of a window; of more, every second, third … is read
PREDICTED = ("prediction", "probability", "label")


@dataclass(frozen=True)
class Window:
    """Rows in the columns of a reference, and what they are in words."""

    frame: pl.DataFrame
    text: str


def read(
    settings: Settings, model: Model, name: str, version: str, log: Any = None, data: Any = None
) -> Window:
    """The configured rows. `model` is version `version` of the model `name`; `log` and `data` are
    the sections `prediction_log` and `data`, where there are any. Raises `UserError`."""
    try:
        if settings.source == "log":
            return _of_log(settings, name, version, log)
        return _of_rows(settings, model, data)
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise UserError(f"drift.source {settings.source}: {one_line(error)}") from None


def _of_log(settings: Settings, name: str, version: str, log: Any) -> Window:
    reading = next(rooms("reading"), None)  # it comes with a server that logs
    if log is None or reading is None:
        text = "this project's server logs no predictions; path and query take rows from elsewhere"
        raise UserError(f"drift.source in config/: {text}")
    if settings.window_hours:
        rows = reading.scan(
            log, name, since=datetime.now(UTC) - timedelta(hours=settings.window_hours)
        )
        text = f"the last {settings.window_hours:g} hours of the log"
    else:
        rows = reading.scan(log, name, newest=settings.window_rows)
        text = f"the last {settings.window_rows:,} rows of the log"
    hashed = {f"{INPUT}{column}" for column in log.hashed}  # they tell nothing but who is who
    known = [
        column
        for column in rows.collect_schema()
        if (column.startswith(INPUT) or column in PREDICTED) and column not in hashed
    ]
    frame = _collect(rows.select("time", "version", *known))
    others = frame.filter(pl.col("version") != version)
    frame = frame.filter(pl.col("version") == version)
    if len(frame):
        ends = frame["time"].min(), frame["time"].max()
        text += ", " + " to ".join(str(end)[:16] for end in ends)
    if len(others):
        text += f", without {count(len(others), 'row')} of other versions"
    return Window(frame.drop("time", "version"), text)


def _of_rows(settings: Settings, model: Model, data: Any) -> Window:
    """Rows of files or of a query; what the model predicts for them is computed where it is not
    in a column `prediction`."""
    if settings.source == "path":
        rows, text = tables.scan(path=settings.path or ""), f"{settings.path}"
    else:
        if "sql" not in sources.names():
            get = '`make upgrade ARGS="data_source=sql"` brings it'
            raise UserError(f"drift.source: query: this project reads no database; {get}")
        if getattr(data, "sql", None) is None:
            raise UserError("drift.source: query: data.sql names no database")
        asked = SimpleNamespace(columns={}, sql=data.sql)
        options = importlib.import_module(f"{sources.__name__}.sql").options(asked)
        options |= {"query": settings.query, "table": None}
        rows, text = sources.scan("sql", **options), "the query"
    if settings.window_hours:
        rows = _since(rows, settings.time or "", settings.window_hours)
        text = f"the last {settings.window_hours:g} hours of {text}"
    else:
        rows = rows.tail(settings.window_rows)
        text = f"the last {settings.window_rows:,} rows of {text}"
    frame = _collect(rows)
    inputs = {tensor.name for tensor in model.signature.inputs}
    if settings.time not in inputs:
        frame = frame.drop(settings.time or [], strict=False)
    label = getattr(data, "label", "label")
    if label in frame.columns:
        frame = frame.rename({label: "label"})
    named = {name: f"{INPUT}{name}" for name in frame.columns if name not in PREDICTED}
    named = {old: new for old, new in named.items() if not old.startswith(INPUT)}
    if "prediction" not in frame.columns and inputs <= set(frame.columns) and len(frame):
        return Window(_predict(frame, model, named), text)
    return Window(frame.rename(named), text)


def _since(rows: pl.LazyFrame, column: str, hours: float) -> pl.LazyFrame:
    """The rows of the last hours by a column of times, in UTC where it names no zone."""
    known = rows.collect_schema()
    if column not in known:
        raise UserError(f"drift.time in config/: no column {column!r}; has {listing(known)}")
    dtype, when = known[column], pl.col(column)
    if dtype == pl.String:
        when = when.str.to_datetime(time_unit="us", time_zone="UTC")
    elif dtype == pl.Date or (isinstance(dtype, pl.Datetime) and not dtype.time_zone):
        when = when.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    elif isinstance(dtype, pl.Datetime):
        when = when.dt.convert_time_zone("UTC")
    else:
        raise UserError(f"drift.time in config/: column {column!r} holds no times, but {dtype}")
    return rows.filter(when >= datetime.now(UTC) - timedelta(hours=hours))


def _predict(frame: pl.DataFrame, model: Model, named: Mapping[str, str]) -> pl.DataFrame:
    arrays = {}
    for tensor in model.signature.inputs:
        values = frame[tensor.name]
        try:
            if not tensor.shape:
                values = values.cast(DTYPES[tensor.dtype])
                if tensor.nullable:
                    values = values.fill_null("" if tensor.dtype == "string" else np.nan)
            arrays[tensor.name] = np.asarray(values.to_numpy(), tensor.numpy_dtype)
        except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
            raise UserError(f"column {tensor.name!r} is no {tensor}: {one_line(error)}") from None
    try:
        predicted = as_frame(model.signature, arrays, model.predict(arrays))
    except ModelError as error:
        raise UserError(f"the model cannot predict these rows: {error}") from None
    rest = frame.drop(arrays.keys()).rename({k: v for k, v in named.items() if k not in arrays})
    return pl.concat([predicted, rest], how="horizontal")


def _collect(rows: pl.LazyFrame) -> pl.DataFrame:
    """The rows in memory; of too many, as many as fit, evenly."""
    number = int(rows.select(pl.len()).collect(engine="streaming").item())
    step = -(-number // LARGEST)
    return (rows.gather_every(step) if step > 1 else rows).collect(engine="streaming")
