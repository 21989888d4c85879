"""Sources: each leaf has a function `scan(**options)` that gives rows as a lazy Polars frame."""

from collections.abc import Callable
from functools import partial
from typing import Any

import polars as pl

from ...settings import Data
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
        explain=partial(files.explain, **options) if data.source == "files" else one_line,
    )
