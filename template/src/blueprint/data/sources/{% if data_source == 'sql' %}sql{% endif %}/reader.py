"""Rows of a query or a table, from any database that SQLAlchemy or ADBC has a driver for."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, quote_plus

import polars as pl

from ... import DataError
from ...frames import Batches, lazy
from ...rules import DTYPES
from . import adbc

# One type for what drivers call by many: the same rows make the same data set everywhere.
# A bool is an int in Python, and a datetime is a date: the narrower type comes first.
PYTHON_TYPES: list[tuple[type, pl.DataType]] = [
    (bool, pl.Boolean()),
    (int, pl.Int64()),
    (float, pl.Float64()),
    (Decimal, pl.Float64()),
    (datetime, pl.Datetime("us")),
    (date, pl.Date()),
    (bytes, pl.Binary()),
]
ORDER = [pl.Boolean(), pl.Int64(), pl.Float64(), pl.Date(), pl.Datetime("us")]  # to wider ones
NUMBERS, DAYS = set(ORDER[:3]), set(ORDER[3:])
ERRORS = (KeyError, TypeError, ValueError, OverflowError, pl.exceptions.PolarsError)
BATCH_ROWS = 16_384
KEPT: list[TemporaryDirectory[str]] = []  # the folders of what was read
TIMEOUT = {"connect_timeout": "10"}  # seconds, for the drivers that know it by this name
TIMED = ("psycopg", "psycopg2", "pymysql", "mysqldb", "postgresql")  # the last one is ADBC's
# The names of the columns, and batches of their values, column by column.
Answer = tuple[list[str], Iterator[Sequence[Sequence[Any]]]]


def scan(
    *,
    url: str,
    query: str | None = None,
    table: str | None = None,
    user: str | None = None,
    password: str | None = None,
    dtypes: Mapping[str, str] | None = None,
) -> pl.LazyFrame:
    """The rows of `query`, or of a whole `table` ("name" or "schema.name"), from a file.

    The database is asked once: what reads the rows again sees the same ones.

    `url` is one of SQLAlchemy, or `adbc+NAME://host/database` for a driver of ADBC; `user` and
    `password` complete it. `dtypes` names types of columns, for those whose values do not tell it.
    Rows come in the database's order: `ORDER BY` in the query makes it a fixed one.
    Raises `DataError`; no message of it holds a password.
    """
    import sqlalchemy as sa  # here, and not above, for the steps that read no database

    shown = re.sub("//.*@", "//", url).partition("?")[0]
    with _one_line(shown, password):
        address = sa.make_url(url)
        address = address.set(username=user or address.username)
        address = address.set(password=password or address.password)
        driver = address.get_driver_name()
        by_adbc = address.get_backend_name() == "adbc"
        if by_adbc:
            address = address.set(drivername=driver)
        _check_file(address)
        if "@" in str(address.host):
            raise DataError("a password's @ is written %40 in a URL")
        if driver in TIMED and "connect_timeout" not in address.query:
            address = address.update_query_dict(TIMEOUT)
        schema, _, name = (table or "").rpartition(".")
        everything = sa.select(sa.text("*")).select_from(sa.table(name, schema=schema or None))
        ask: Callable[[], AbstractContextManager[Answer]]
        if by_adbc:
            ask = partial(adbc.answer, address, query or str(everything), BATCH_ROWS)
        else:
            engine = sa.create_engine(
                address,
                poolclass=sa.pool.NullPool,  # no connection stays open while a model is trained
                hide_parameters=True,
            )
            given = sa.text((query or "").replace(":", "\\:"))  # a colon is no parameter
            ask = partial(_answer, engine, given if query else everything)

    def read(types: dict[str, pl.DataType]) -> Batches:
        """Yield batches; `types` gets the type of every column from the first one."""
        done = 0
        with _one_line(shown, address.password), ask() as (names, batches):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise DataError(f"column {', '.join(twice)} comes twice: name one with AS")
            for columns in batches:
                for name, values in zip(names, columns, strict=True):
                    if name not in types:
                        declared = DTYPES.get((dtypes or {}).get(name, ""))
                        types[name] = _dtype_of(name, values, declared)
                named = zip(names, columns, strict=True)
                yield pl.DataFrame([_series(*column, types, done) for column in named])
                done += len(columns[0])
            if not done:
                raise DataError("no rows")

    batches = read({})
    first = next(batches)
    KEPT.append(TemporaryDirectory(prefix="sql-"))  # it goes when this process ends
    file = f"{KEPT[-1].name}/rows.parquet"
    lazy(lambda: chain([first], batches), first.schema).sink_parquet(file)
    return pl.scan_parquet(file)


@contextmanager
def _answer(engine: Any, statement: Any) -> Iterator[Answer]:
    """What a database answers through SQLAlchemy; an answer that is left early ends at once."""
    with engine.connect() as connection:
        result = connection.execution_options(yield_per=BATCH_ROWS).execute(statement)
        try:
            rows = result.partitions(BATCH_ROWS)
            yield list(result.keys()), (list(zip(*batch, strict=True)) for batch in rows)
        except BaseException:
            # PyMySQL reads all that is left of an answer, even when it is only forgotten.
            unread: Any = getattr(result.cursor, "_result", None)
            if hasattr(unread, "unbuffered_active"):
                unread.unbuffered_active = False
            connection.invalidate()
            raise


@contextmanager
def _one_line(shown: str, password: str | None) -> Iterator[None]:
    """Turn what SQLAlchemy and drivers raise into one line that names the database."""
    import sqlalchemy as sa

    try:
        yield
    except DataError as error:
        raise DataError(f"sql {shown}: {error}") from None
    except (ModuleNotFoundError, sa.exc.NoSuchModuleError) as error:
        missing = getattr(error, "name", None) or error
        raise DataError(f"sql {shown}: no driver ({missing}); `uv add` it: docs/sql.md") from None
    except sa.exc.ArgumentError:
        raise DataError(f"sql {shown}: no URL of the form dialect://host/database") from None
    except (sa.exc.SQLAlchemyError, OSError) as error:
        text = " ".join(str(getattr(error, "orig", None) or error).split())
        plain = password or ""
        for secret in (plain, quote_plus(plain), quote(plain, safe="+")):
            text = text.replace(secret, "***") if secret else text
        raise DataError(f"sql {shown}: {text[:300]}") from None


def _check_file(address: Any) -> None:
    """SQLite and DuckDB would make an empty database of a misspelt name."""
    name = address.database
    if address.get_backend_name() not in adbc.FILES or not name or name == ":memory:":
        return
    if not name.startswith("file:") and not Path(name).is_file():
        raise DataError("no such file")


def _dtype_of(name: str, values: Sequence[Any], declared: pl.DataType | None) -> pl.DataType:
    """The type of a column, by the values of the first batch and the declared type.

    In SQLite values have types, and columns have none: whole numbers, others and texts may be in
    one. Numbers of a column become floats if one is; a text among them needs a declared type.
    """
    seen = [_of(value) for value in values if value is not None]
    types = set(seen)
    if not seen and declared is None:
        raise DataError(
            f"column {name!r} has no value in the first {len(values):,} rows, so its type is "
            "not known; declare it in data.columns"
        )
    if declared is not None:
        if not seen:
            return _wide(declared)
        if declared == pl.String() or (pl.String() in types and len(types) > 1):
            return pl.String()
        if types <= NUMBERS and declared.is_float():
            return pl.Float64()
        if types == {pl.Int64()} and declared == pl.UInt64():
            return declared
    together = types <= NUMBERS or types <= DAYS
    return max(types, key=ORDER.index) if together else seen[0]


def _of(value: Any) -> pl.DataType:
    return next((dtype for python, dtype in PYTHON_TYPES if isinstance(value, python)), pl.String())


def _wide(declared: pl.DataType) -> pl.DataType:
    """What holds all values of a declared type, and those that it is checked for."""
    if declared.is_integer() and declared != pl.UInt64():
        return pl.Int64()
    return pl.Float64() if declared.is_float() else declared


def _series(
    name: str, values: Sequence[Any], types: Mapping[str, pl.DataType], done: int
) -> pl.Series:
    dtype = types[name]
    try:
        if dtype in (pl.String(), pl.Float64()):  # many Python types are these
            series = _converted(name, values, dtype)
        else:
            series = pl.Series(name, values, dtype=dtype)
    except ERRORS:
        try:
            series = _converted(name, values, dtype)
        except ERRORS:
            row = next(index for index, value in enumerate(values) if not _fits(value, dtype))
            raise DataError(
                f"column {name!r}: {values[row]!r} in row {done + row + 1} is no "
                f"{str(dtype).lower()}, as the values before are; declare another dtype in "
                "data.columns, or CAST it in the query"
            ) from None
    if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone:  # the session's
        return series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return series


def _converted(name: str, values: Sequence[Any], dtype: pl.DataType) -> pl.Series:
    convert = CONVERT.get(dtype, bytes)
    return pl.Series(
        name, [None if value is None else convert(value) for value in values], dtype=dtype
    )


def _fits(value: Any, dtype: pl.DataType) -> bool:
    try:
        _converted("", [value], dtype)
    except ERRORS:
        return False
    return True


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(float(value) if isinstance(value, Decimal) else value)


def _as_integer(value: Any) -> int:
    if int(value) != value:
        raise ValueError
    return int(value)


CONVERT: dict[pl.DataType, Callable[[Any], Any]] = {
    pl.String(): _text,
    pl.Float64(): float,
    pl.Int64(): _as_integer,
    pl.UInt64(): _as_integer,
    pl.Boolean(): lambda value: {0: False, 1: True}[value],
    pl.Date(): lambda value: date.fromisoformat(str(value)),
    pl.Datetime("us"): lambda value: datetime.fromisoformat(str(value)),
}
