"""Lazy Polars frames of rows that Python makes, and what Polars says of them in one line."""

import re
from collections.abc import Callable, Iterator

import polars as pl
from polars.io.plugins import register_io_source

# What follows names options of Polars that nobody can set here.
ADVICE = re.compile(r" (?=This error occurred|The current offset|Consider setting|You might want)")
# What Polars raises for rows that it cannot read; a panic is no `Exception`.
ERRORS = (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException)
Batches = Iterator[pl.DataFrame]


def lazy(read: Callable[[], Batches], schema: pl.Schema) -> pl.LazyFrame:
    """Return the rows that `read` yields as a query; each execution calls `read` again."""

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _: int | None
    ) -> Batches:
        for batch in read():
            if limit is not None:
                batch = batch.head(limit)
                limit -= len(batch)
            if predicate is not None:
                batch = batch.filter(predicate)
            yield batch if columns is None else batch.select(columns)
            if limit == 0:
                return

    return register_io_source(source, schema=schema)


def one_line(error: BaseException) -> str:
    """What Polars says of rows or files that it cannot read, in one line."""
    text = ADVICE.split(" ".join(str(error).split()))[0]
    if isinstance(error, FileNotFoundError) or "NoSuchBucket" in text:
        return f"no such file, key or bucket ({text[:200]})"
    if "expanded paths were empty" in text:
        return "no file or key matches"
    return text if len(text) < 300 else f"{text[:180]} … {text[-110:]}"
