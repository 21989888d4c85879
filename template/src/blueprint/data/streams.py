"""Lazy frames from generators of batches, and batches from lazy frames: in order, none lost."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, Queue
from threading import Event, Thread

import polars as pl
from polars.io.plugins import register_io_source

# What follows names options of Polars that nobody can set here.
ADVICE = re.compile(r" (?=This error occurred|The current offset|Consider setting|You might want)")
BATCH_ROWS = 16_384  # Polars reads some 25 batches ahead
Batches = Iterator[pl.DataFrame]


def lazy(read: Callable[[], Batches], schema: pl.Schema) -> pl.LazyFrame:
    """Return the rows that `read` yields as a query; each execution calls `read` anew."""

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


def stream(rows: pl.LazyFrame, size: int = BATCH_ROWS) -> Batches:
    """Yield the rows of a query in batches of at most `size`; memory holds a few of them.

    Not `collect_batches`: when Polars panics, that ends as if there were no more rows.
    """
    ready: Queue[pl.DataFrame | BaseException | None] = Queue(maxsize=1)
    stopped = Event()

    def put(batch: pl.DataFrame) -> bool:
        ready.put(batch)
        return stopped.is_set()

    def run() -> None:
        end: BaseException | None
        try:
            rows.sink_batches(put, chunk_size=size, maintain_order=True)
            end = None
        except BaseException as error:
            end = error
        if not stopped.is_set():
            ready.put(end)

    Thread(target=run, daemon=True).start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, pl.exceptions.PanicException):
                raise pl.exceptions.ComputeError(str(item)) from None
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        with suppress(Empty):
            ready.get_nowait()  # a thread that waits in `put` goes on, and sees that it may stop


def one_line(error: BaseException) -> str:
    """What Polars says of rows or files that it cannot read, in one line."""
    text = ADVICE.split(" ".join(str(error).split()))[0]
    if isinstance(error, FileNotFoundError) or "NoSuchBucket" in text:
        return f"no such file, key or bucket ({text[:200]})"
    if "expanded paths were empty" in text:
        return "no file or key matches"
    return text if len(text) < 300 else f"{text[:180]} … {text[-110:]}"
