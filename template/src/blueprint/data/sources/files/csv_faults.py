"""Why a CSV file cannot be read: the file again, slowly, up to the row that Polars stumbled over.

Only after a failure, so that it may take its time; Polars names neither file nor row.
"""

import csv
import gzip
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

UTF16 = (b"\xff\xfe", b"\xfe\xff")
VALUE = re.compile(r"could not parse `(.*?)` as dtype `(\w+)` at column '(.*?)'")
TYPES = {"i64": "int64", "i128": "int128", "f64": "float64", "bool": "bool", "str": "string"}
LONGEST = 2**31 - 1  # characters of a value: a quote that stays open takes in the rest


def find_fault(paths: Sequence[str], separator: str, error: str) -> str | None:
    """The file, row and column where `error`, of Polars, comes from; None if that is not found.

    Rows count from 1, without the header, as lines of the file do where no value has line breaks.
    """
    first: list[str] = []
    for path in paths:
        if "://" in path or path.endswith(".zst"):
            return None
        with _open(path) as file:
            if file.read(2) in UTF16:
                return f"{path} is UTF-16: write it as UTF-8, as with iconv -f UTF-16 -t UTF-8"
        header: list[str] = []
        try:
            with _open(path) as file:
                lines = (line.decode("utf-8-sig", "surrogateescape") for line in file)
                for row, fields in enumerate(_rows(lines, separator)):
                    header = header or fields
                    if fault := _fault(header, fields, row, separator, error):
                        return f"{path}: {fault}"
        except csv.Error as wrong:
            return f"{path}: {wrong}"
        first = first or header
        if header != first:
            return (
                f"{path}: its columns are {', '.join(header)}, but those of {Path(paths[0]).name} "
                f"are {', '.join(first)}"
            )
    return None


def _open(path: str) -> IO[bytes]:
    return gzip.open(path) if path.endswith(".gz") else Path(path).open("rb")  # type: ignore[return-value]


def _rows(lines: Iterator[str], separator: str) -> Iterator[list[str]]:
    """The fields of each line that has any; `csv.Error` names the row of a wrong quote."""
    csv.field_size_limit(LONGEST)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    row = 0
    try:
        for fields in reader:
            if fields:
                yield fields
                row += 1
    except csv.Error:
        place = f"row {row:,}" if row else "the header"
        raise csv.Error(
            f'a quote (") in {place} does not end before the next {separator!r} or line; '
            'inside of quotes, a quote is written ""'
        ) from None


def _fault(
    header: list[str], fields: list[str], row: int, separator: str, error: str
) -> str | None:
    value = VALUE.search(error)
    for index, field in enumerate(fields):
        try:
            field.encode()
        except UnicodeEncodeError:
            name = header[index] if row and index < len(header) else None
            place = f"column {name!r} in row {row:,}" if name is not None else "the header"
            shown = field.encode("utf-8", "surrogateescape")[:40]
            return (
                f"{place} is not UTF-8 ({shown!r}): convert the file, as with iconv -f LATIN1 "
                "-t UTF-8"
            )
        if "malformed" in error and field.count('"') % 2:
            return (
                f'row {row:,} has a single quote (") in {field[:40]!r}; a value with quotes stands '
                'in quotes, and a quote inside is written ""'
            )
    if len(fields) > len(header):
        return (
            f"row {row:,} has {len(fields)} values for the {len(header)} columns of the header "
            f"(data.files.separator is {separator!r}; a value that holds it stands in quotes)"
        )
    if value and row and value[3] in header:
        index = header.index(value[3])
        if index < len(fields) and fields[index].strip('"') == value[1].strip('"'):
            kind = TYPES.get(value[2], value[2])
            return (
                f"column {value[3]!r}: not {kind}, as the first rows are, in row {row:,} "
                f"({value[1]!r}); declare it, as data.columns.{value[3]}: {{dtype: "
                f"{_wider(value[1])}}}, or add it to data.files.null_values"
            )
    return None


def _wider(text: str) -> str:
    try:
        float(text)
    except ValueError:
        return "string"
    return "float64"
