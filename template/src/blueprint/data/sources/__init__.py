"""Sources: each leaf has a function `scan(**options)` that gives rows as a lazy Polars frame."""

from collections.abc import Callable
from functools import partial
from typing import Any

import polars as pl

from ...data.settings import Data
from ..dataset import DataError
from ..proposal import propose
from ..rules import Column
from ..streams import one_line
from ..validation import Report, validate
from . import fashion_mnist, files, sample, sql

SOURCES: dict[str, Callable[..., pl.LazyFrame]] = {
    "sample": sample.scan,
    "fashion-mnist": fashion_mnist.scan,
    "files": files.scan,
    "sql": sql.scan,
}


def scan(source: str, **options: Any) -> pl.LazyFrame:
    """Return the rows of `source`, a key of `SOURCES`; nothing else in the project knows names."""
    return SOURCES[source](**options)


def read(data: Data) -> tuple[pl.LazyFrame, Report]:
    """Return the rows of the configured source, checked while they are read, and a report on them.

    Raises `DataError`, here or while they are read.
    """
    options = data.options()
    return validate(
        scan(data.source, **options),
        {name: Column(**column.model_dump()) for name, column in data.columns.items()},
        label=data.label,
        source=data.origin(),
        extra=data.extra_columns,
        quarantine=data.quarantine,
        unlabelled=data.unlabelled,
        **_naming(data, options),
    )


def propose_columns(data: Data) -> tuple[str, list[str]]:
    """YAML of `data.columns` for the configured source, and what a person should know of it."""
    options = data.model_copy(update={"columns": {}}).options()
    try:
        rows = scan(data.source, **options)
        explain = _naming(data, options).get("explain", one_line)
        return propose(rows, data.label, data.task, explain)
    except DataError as error:
        origin = data.origin()
        named = origin in str(error)
        raise error if named else DataError(f"source {origin}: {error}") from None


def _naming(data: Data, options: dict[str, Any]) -> dict[str, Any]:
    """What finds the file and row of an error."""
    if data.source != "files":
        return {}
    return {name: partial(getattr(files, name), **options) for name in ("explain", "locate")}
