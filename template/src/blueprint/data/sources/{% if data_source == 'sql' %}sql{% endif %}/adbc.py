"""Rows of a query through ADBC, Arrow's way to databases: package adbc-driver-NAME for each."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from urllib.parse import quote, urlencode

from ... import DataError

Columns = list[list[Any]]
FILES = ("sqlite", "duckdb")  # take a path, and no URL
BATCH = {"sqlite": "adbc.sqlite.query.batch_rows"}  # a column's type is that of the first ones


@contextmanager
def answer(address: Any, query: str, size: int) -> Iterator[tuple[list[str], Iterator[Columns]]]:
    """The names of the columns, and their values in batches of at most `size` rows.

    `address` is a `sqlalchemy.URL` that names a driver of ADBC instead of a dialect. Raises
    `DataError` where there is no such driver, and `OSError` for all that it says.
    """
    name = address.drivername
    try:
        driver = import_module(f"adbc_driver_{name}.dbapi")
        arrow = import_module("pyarrow")  # the drivers need it, but do not bring it
    except ModuleNotFoundError as error:
        package = name if name == "duckdb" else f"adbc-driver-{name}"
        missing = f"no {error.name}; `uv add --group pipeline {package} pyarrow`: docs/sql.md"
        raise DataError(missing) from None
    options = {BATCH[name]: size} if name in BATCH else {}
    query = query.rstrip("; \n") + "\n"  # PostgreSQL's driver writes COPY (query) TO around it
    try:
        with (
            driver.connect(_address(address)) as connection,
            connection.cursor(adbc_stmt_kwargs=options) as cursor,
        ):
            batches = cursor.execute(query).fetch_record_batch()
            yield batches.schema.names, _columns(batches, size)
    except (OSError, driver.Error, arrow.ArrowException) as error:
        # SQLite's columns hold anything; its driver has taken the type of the first rows.
        mismatch = "Type mismatch" in str(error)
        advice = "; CAST it, or take sqlite:// and declare it" if mismatch else ""
        raise OSError(f"{error}{advice}") from None


def _address(address: Any) -> str:
    """The path or URL that the driver takes; it reads a URL more strictly than SQLAlchemy."""
    parameters = urlencode(address.query, doseq=True, quote_via=quote)
    if address.drivername not in FILES:
        location = address.set(query={}).render_as_string(hide_password=False).replace(" ", "%20")
    elif address.host or address.username or address.password:
        raise DataError(f"a file has no host, user or password: adbc+{address.drivername}:///path")
    else:
        location = address.database or ":memory:"
    return f"{location}?{parameters}" if parameters else location


def _columns(batches: Any, size: int) -> Iterator[Columns]:
    """Yield Python's values, column by column: that is ten times as fast as row by row."""
    for batch in batches:  # of the driver's size, some megabytes
        for start in range(0, len(batch), size):
            part = batch.slice(start, size)
            yield [_plain(column).to_pylist() for column in part.columns]


def _plain(column: Any) -> Any:
    """Numbers as other drivers give them."""
    if getattr(column.type, "type_name", None) == "numeric":  # PostgreSQL's, which comes as text
        return column.storage.cast("float64")
    if str(column.type) == "float":  # of 32 bits: 0.1, and not 0.10000000149
        return column.cast("string").cast("float64")
    return column
