"""Rows of CSV and Parquet files, on this machine or in an object store."""

import re
from collections.abc import Collection
from typing import Any

import polars as pl

from ... import DataError
from ...frames import one_line
from . import files_of, part

INFER_ROWS = 10_000  # of a CSV file, for the types of columns that are not declared
PATIENCE = {"max_retries": 2}  # by default Polars tries for minutes
HIVE = re.compile(r"(?:^|/)(\w+)=[^/]*(?=/)")


def scan(
    *,
    path: str,
    format: str | None = None,
    separator: str = ",",
    null_values: Collection[str] = (),
    texts: Collection[str] = (),
) -> pl.LazyFrame:
    """See `files.scan`. CSV columns in `texts` stay text."""
    remote = "://" in path
    names, format = files_of(path, format)
    options: dict[str, Any] = {"storage_options": PATIENCE if remote else None, "glob": remote}
    keys = [] if names == [path] and not remote else HIVE.findall(names[0])
    try:
        if format == "csv":
            options |= {"separator": separator, "null_values": list(null_values) or None}
            return _scan_csv(names, keys, set(texts), options)
        return _fix_shapes(pl.scan_parquet(names, hive_partitioning=bool(keys) or None, **options))
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        text = explain(error, path=path, format=format, separator=separator)
        raise DataError(f"files {path}: {text}") from None


def explain(
    error: BaseException, *, path: str, format: str | None = None, separator: str = ",", **_: Any
) -> str:
    """What Polars could not read in the files that `path` means, in one line: for CSV, where."""
    if isinstance(error, pl.exceptions.PolarsError):
        names, format = files_of(path, format)
        if format == "csv" and (fault := _find_fault(names, separator, str(error))):
            return fault.removeprefix(f"{path}: ")
    return one_line(error)


def locate(
    row: int, *, path: str, format: str | None = None, separator: str = ",", **_: Any
) -> str:
    """The file that a row of several is in, and its number there, from 1; or "" for one file."""
    names, format = files_of(path, format)
    for name in names if len(names) > 1 and format != "images" else ():
        rows = (
            pl.scan_csv(name, separator=separator, infer_schema=False)
            if format == "csv"
            else pl.scan_parquet(name)
        )
        number = pl.first().count() + pl.first().null_count()  # len() counts lines, not rows
        count = int(rows.select(number).collect(engine="streaming").item())
        if row <= count:
            return f"the first is row {row:,} of {name}"
        row -= count
    return ""


def _find_fault(names: list[str], separator: str, error: str) -> str | None:
    faults = part("csv_faults")
    return str(found) if faults and (found := faults.find_fault(names, separator, error)) else None


def _scan_csv(
    names: list[str], keys: list[str], texts: set[str], options: dict[str, Any]
) -> pl.LazyFrame:
    """Rows of CSV files; the keys of `key=value` folders are columns of text, as in the files."""
    options |= {"infer_schema_length": INFER_ROWS}
    header = pl.scan_csv(names, **options).collect_schema()
    if "\0" in "".join(header) and (fault := _find_fault(names, options["separator"], "")):
        raise DataError(f"files {fault}")
    if "\r" in "".join(header):
        raise DataError(f"files {names[0]}: its lines end in CR alone: write LF or CR LF")
    strings = {name: pl.String for name in header if name in texts}
    if not keys:
        return pl.scan_csv(names, schema_overrides=strings, **options)
    path = "file path"
    rows = pl.scan_csv(names, schema_overrides=strings, include_file_paths=path, **options)
    values = [pl.col(path).str.extract(rf"(?:^|/){key}=([^/]*)/").alias(key) for key in keys]
    return rows.with_columns(values).drop(path)


def _fix_shapes(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Lists become arrays of the first row's shape: Parquet files hold images as lists."""
    lists = [name for name, dtype in rows.collect_schema().items() if isinstance(dtype, pl.List)]
    if not lists:
        return rows
    first = rows.select(lists).head(1).collect()
    casts = []
    for name in lists:
        value, shape = first[name][0] if len(first) else None, []
        dtype: Any = first.schema[name]
        while isinstance(dtype, pl.List) and value is not None and len(value):
            shape.append(len(value))
            value, dtype = value[0], dtype.inner
        if shape and not isinstance(dtype, pl.List):
            casts.append(pl.col(name).cast(pl.Array(dtype, tuple(shape))))
    return rows.with_columns(casts)
