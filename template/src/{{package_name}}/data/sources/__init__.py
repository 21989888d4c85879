"""Sources: each leaf has a function `scan(**options)` that gives rows as a lazy Polars frame."""

from collections.abc import Callable
from typing import Any

import polars as pl

from . import fashion_mnist, sample

SOURCES: dict[str, Callable[..., pl.LazyFrame]] = {
    "sample": sample.scan,
    "fashion-mnist": fashion_mnist.scan,
}


def scan(source: str, **options: Any) -> pl.LazyFrame:
    """Return the rows of `source`, a key of `SOURCES`; nothing else in the project knows names."""
    return SOURCES[source](**options)
