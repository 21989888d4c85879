"""Rows of CSV and Parquet files and of pictures, in a folder or in an object store."""

import glob
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import polars as pl

from ..dataset import DataError
from ..streams import one_line
from . import images
from .csv_faults import find_fault

FORMATS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet"}
FORMATS |= dict.fromkeys(images.SUFFIXES, "images")
COMPRESSED = (".gz", ".zst")
INFER_ROWS = 10_000  # of a CSV file, for the types of columns that are not declared
PATIENCE = {"max_retries": 2}  # seconds; by default Polars tries for minutes
HIVE = re.compile(r"(?:^|/)(\w+)=[^/]*(?=/)")


def scan(
    *,
    path: str,
    format: str | None = None,
    separator: str = ",",
    null_values: Collection[str] = (),
    texts: Collection[str] = (),
) -> pl.LazyFrame:
    """The rows of a file, a glob, a folder or a tree of `key=value` folders, in order of the names.

    `path` is local or begins with `s3://`, `gs://` or `az://`: then Polars takes the credentials
    from the cloud's own environment variables. `format` (csv, parquet, images) is for names that do
    not tell it. CSV columns in `texts` stay text. Raises `DataError` when nothing can be read.
    """
    remote = "://" in path
    found, kind = _files(path, format)
    if kind == "images":
        return images.scan(Path(path))
    options: dict[str, Any] = {"storage_options": PATIENCE if remote else None, "glob": remote}
    keys = [] if found == [path] and not remote else HIVE.findall(found[0])
    try:
        if kind == "csv":
            options |= {"separator": separator, "null_values": list(null_values) or None}
            return _scan_csv(found, keys, set(texts), options)
        options |= {"hive_partitioning": True if keys else None}
        return _fix_shapes(pl.scan_parquet(found, **options))
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        text = explain(error, path=path, format=format, separator=separator)
        raise DataError(f"files {path}: {text}") from None


def explain(
    error: BaseException, *, path: str, format: str | None = None, separator: str = ",", **_: Any
) -> str:
    """What Polars could not read in the files that `path` means, in one line: for CSV, where."""
    if isinstance(error, pl.exceptions.PolarsError):
        found, kind = _files(path, format)
        if kind == "csv" and (fault := find_fault(found, separator, str(error))):
            return fault.removeprefix(f"{path}: ")
    return one_line(error)


def locate(
    row: int, *, path: str, format: str | None = None, separator: str = ",", **_: Any
) -> str:
    """The file that a row of several is in, and its number there, from 1; or "" for one file."""
    found, kind = _files(path, format)
    for name in found if len(found) > 1 and kind != "images" else ():
        if kind == "csv":
            rows = pl.scan_csv(name, separator=separator, infer_schema=False)
        else:
            rows = pl.scan_parquet(name)
        number = pl.first().count() + pl.first().null_count()
        count = int(rows.select(number).collect(engine="streaming").item())
        if row <= count:
            return f"the first is row {row:,} of {name}"
        row -= count
    return ""


def _files(path: str, format: str | None) -> tuple[list[str], str]:
    """The files that a path means, and their format: that of the first one whose name tells it."""
    found = [path] if "://" in path else find(path)
    told = next((kind for name in found if (kind := _format(name))), None)
    if told and not format:
        found = [name for name in found if _format(name) == told]
    return found, format or told or "parquet"


def find(path: str) -> list[str]:
    """The files that a local path, glob or folder means, in order of their names."""
    if Path(path).is_dir():
        names = [str(file) for file in Path(path).rglob("*") if file.is_file()]
    elif Path(path).is_file():
        return [path]
    else:
        names = [name for name in glob.glob(path, recursive=True) if Path(name).is_file()]  # noqa: PTH207
    # Spark and others leave _SUCCESS and .crc files beside the data.
    if names := [name for name in sorted(names) if Path(name).name[0] not in "._"]:
        return names
    missing = "no such file or folder" if not Path(path).is_dir() else "no files in this folder"
    raise DataError(f"files {path}: {missing}")


def _format(name: str) -> str | None:
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    while suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return FORMATS.get(suffixes[-1]) if suffixes else None


def _scan_csv(
    found: list[str], keys: list[str], texts: set[str], options: dict[str, Any]
) -> pl.LazyFrame:
    """Rows of CSV files; the keys of `key=value` folders are columns of text, as in the files."""
    options |= {"infer_schema_length": INFER_ROWS}
    header = pl.scan_csv(found, **options).collect_schema()
    if "\r" in "".join(header):
        raise DataError(f"files {found[0]}: its lines end in CR alone: write LF or CR LF")
    strings = {name: pl.String for name in header if name in texts}
    if not keys:
        return pl.scan_csv(found, schema_overrides=strings, **options)
    path = "file path"
    rows = pl.scan_csv(found, schema_overrides=strings, include_file_paths=path, **options)
    values = [pl.col(path).str.extract(rf"(?:^|/){key}=([^/]*)/").alias(key) for key in keys]
    return rows.with_columns(values).drop(path)


def _fix_shapes(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Lists become arrays of the first row's shape: Parquet files hold images as lists."""
    lists = [name for name, kind in rows.collect_schema().items() if isinstance(kind, pl.List)]
    if not lists:
        return rows
    first = rows.select(lists).head(1).collect()
    casts = []
    for name in lists:
        value, shape = first[name][0] if len(first) else None, []
        kind: Any = first.schema[name]
        while isinstance(kind, pl.List) and value is not None and len(value):
            shape.append(len(value))
            value, kind = value[0], kind.inner
        if shape and not isinstance(kind, pl.List):
            casts.append(pl.col(name).cast(pl.Array(kind, tuple(shape))))
    return rows.with_columns(casts)
