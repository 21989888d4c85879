"""The border: rows of a source against the columns that the configuration declares, in one pass.

Plain Polars expressions, a handful a column: a schema library would have to learn of batches, row
numbers and quarantine first, and would be one more dependency in every image.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from .dataset import DataError
from .streams import Batches, lazy, one_line, stream

DTYPES: dict[str, pl.DataType] = {
    "bool": pl.Boolean(),
    "int8": pl.Int8(),
    "int16": pl.Int16(),
    "int32": pl.Int32(),
    "int64": pl.Int64(),
    "uint8": pl.UInt8(),
    "uint16": pl.UInt16(),
    "uint32": pl.UInt32(),
    "uint64": pl.UInt64(),
    "float32": pl.Float32(),
    "float64": pl.Float64(),
    "string": pl.String(),
    "date": pl.Date(),
    "datetime": pl.Datetime("us"),
}
SHOWN_ROWS = 5


@dataclass(frozen=True)
class Column:
    """What the configuration declares of one column; unset is not checked.

    Bounds include themselves. A missing value is a null or a NaN. Allowed `values` are written as
    text; those of the label are the classes, in this order.
    """

    dtype: str | None = None
    min: float | str | None = None
    max: float | str | None = None
    values: tuple[str, ...] | None = None
    nullable: bool = False


@dataclass
class Report:
    """What the last complete reading found: rows, those put aside, and why (a row can have two)."""

    rows: int = 0
    dropped: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(
        self, batch: pl.DataFrame, good: pl.DataFrame, flags: pl.DataFrame, rules: list["Rule"]
    ) -> None:
        """Count a batch, of which the rows `good` remain."""
        self.rows += len(batch)
        self.dropped += len(batch) - len(good)
        for rule, flag in zip(rules, flags, strict=True):
            if flag.any():
                self.reasons[f"{rule.column} {rule.reason}"] += len(flag.arg_true())

    def facts(self) -> dict[str, int]:
        return {"quarantined_rows": self.dropped} if self.dropped else {}

    def line(self) -> str:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in self.reasons.items())
        return f"quarantined {self.dropped:,} of {self.rows:,} rows: {reasons}"


@dataclass(frozen=True)
class Rule:
    """One thing that can be wrong with a value; `broken` is true for rows where it is."""

    column: str
    reason: str
    broken: pl.Expr


def validate(
    rows: pl.LazyFrame,
    columns: Mapping[str, Column],
    *,
    label: str,
    source: str,
    extra: str = "refuse",
    quarantine: bool = False,
) -> tuple[pl.LazyFrame, Report]:
    """Return `rows` in the declared types, checked while they are read, and what was found.

    The label must have a value even where nothing is declared. `extra` columns are refused or
    dropped. Reading raises `DataError` with the first rows at fault, or drops them in `quarantine`.
    """
    try:
        schema = rows.collect_schema()
        names = _check_names(schema, columns, label, extra)
        checked = [name for name in names if name in columns or name == label]
        declared = {name: columns.get(name, Column()) for name in checked}
        rules = [
            Rule(name, reason, broken.fill_null(value=False))
            for name, column in declared.items()
            for reason, broken in rules_of(name, column, schema[name])
        ]
        values = [_value(name, declared.get(name, Column()), schema[name], label) for name in names]
        result = pl.LazyFrame(schema=schema).select(values).collect_schema()
    except DataError as error:
        raise DataError(f"source {source}: {error}") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"source {source}: {one_line(error)}") from None
    report = Report()

    def read() -> Batches:
        found = Report()
        try:
            for batch in stream(rows):
                flags = flag_rows(batch, rules)
                if fault := None if quarantine else first_fault(batch, flags, rules, found.rows):
                    raise DataError(f"source {source}: {fault}")
                good = batch.filter(~flags.select(pl.any_horizontal(pl.all())).to_series())
                found.add(batch, good, flags, rules)
                yield good.select(values)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"source {source}: {one_line(error)}") from None
        if found.rows == found.dropped:
            raise DataError(f"source {source}: {found.line() if found.rows else 'no rows'}")
        vars(report).update(vars(found))

    return lazy(read, result), report


def _check_names(
    schema: pl.Schema, columns: Mapping[str, Column], label: str, extra: str
) -> list[str]:
    """The columns to hand on, in the order of the source."""
    if missing := [name for name in columns if name not in schema]:
        raise DataError(
            f"no column {', '.join(map(repr, missing))}, which data.columns declares; "
            f"the columns are {', '.join(schema)}"
        )
    if not columns:
        return list(schema)
    others = [name for name in schema if name not in columns and name != label]
    if others and extra == "refuse":
        raise DataError(
            f"column {', '.join(map(repr, others))} is not in data.columns; declare it, or set "
            "data.extra_columns: drop"
        )
    return [name for name in schema if name not in others]


def _value(name: str, column: Column, kind: pl.DataType, label: str) -> pl.Expr:
    """The column in its declared type; a label with declared values is an enumeration of them."""
    value = convert(pl.col(name), kind, _target(column, kind))
    if name == label and column.values and not kind.is_nested():
        classes = pl.Enum(_allowed(name, column, _target(column, kind)).cast(pl.String))
        value = value.cast(pl.String).cast(classes, strict=False)
    return value


def _target(column: Column, kind: pl.DataType) -> pl.DataType:
    return DTYPES[column.dtype] if column.dtype and not kind.is_nested() else kind


def rules_of(name: str, column: Column, kind: pl.DataType) -> list[tuple[str, pl.Expr]]:
    """What can be wrong with a value of this column, as the source gives it."""
    raw, target = pl.col(name), _target(column, kind)
    rules = []
    if not column.nullable:
        gone = raw.is_null() | raw.is_nan() if kind.is_float() else raw.is_null()
        rules.append(("missing", gone))
    if kind.is_nested():
        _check_nested(name, column, kind)
        return rules
    value = convert(raw, kind, target)
    if target != kind:
        if kind.is_temporal() != target.is_temporal() and pl.String() not in (kind, target):
            raise DataError(f"column {name!r} is {str(kind).lower()}, not {column.dtype}")
        wrong = value.is_null()
        if kind.is_float() and target.is_integer():
            wrong = (wrong & raw.is_not_nan()) | (value.cast(kind) != raw)
        if kind.is_numeric() and target == pl.Boolean:
            wrong = ~raw.is_in([0, 1])
        rules.append((f"not {column.dtype}", raw.is_not_null() & wrong))
    if target.is_float():
        if not column.nullable and kind == pl.String:
            rules.append(("missing", value.is_nan()))
        value = value.fill_nan(None)
    for word, bound in (("below", column.min), ("above", column.max)):
        if bound is not None:
            limit = _bound(name, bound, target)
            shown = bound if isinstance(bound, str) else f"{bound:.15g}"
            rules.append((f"{word} {shown}", value < limit if word == "below" else value > limit))
    if column.values is not None:
        allowed = _allowed(name, column, target)
        known = ", ".join(column.values[:10]) + (", …" if len(column.values) > 10 else "")
        rules.append((f"none of {known}", ~value.is_in(allowed.implode())))
    return rules


def _check_nested(name: str, column: Column, kind: pl.DataType) -> None:
    inner: pl.DataType = kind
    while isinstance(inner, pl.Array | pl.List):
        inner = inner.inner  # type: ignore[assignment]
    if column.dtype and inner != DTYPES[column.dtype]:
        found = str(inner).lower()
        raise DataError(f"column {name!r} is an array of {found}, not of {column.dtype}")
    if (column.min, column.max, column.values) != (None, None, None):
        raise DataError(f"data.columns.{name}: an array has no min, max or values")


def convert(value: pl.Expr, kind: pl.DataType, target: pl.DataType) -> pl.Expr:
    """`value` as `target`; null where that cannot be."""
    if kind == target:
        return value
    if kind == pl.String:
        value = value.str.strip_chars()
        if target == pl.Date:
            return value.str.to_date(strict=False)
        if target == pl.Datetime:
            return value.str.to_datetime(strict=False, time_unit="us")
        if target == pl.Boolean:
            words = {"true": True, "false": False, "1": True, "0": False}
            value = value.str.to_lowercase()
            return value.replace_strict(words, default=None, return_dtype=pl.Boolean())
    return value.cast(target, strict=False)


def _bound(name: str, bound: float | str, target: pl.DataType) -> pl.Expr:
    if isinstance(bound, str) and target.is_temporal():
        limit = convert(pl.lit(bound), pl.String(), target)
        if pl.select(limit).item() is not None:
            return limit
    elif not isinstance(bound, str) and target.is_numeric():
        return pl.lit(bound)
    raise DataError(f"data.columns.{name}: the bound {bound!r} is no {str(target).lower()}")


def _allowed(name: str, column: Column, target: pl.DataType) -> pl.Series:
    texts = pl.Series(column.values, dtype=pl.String)
    if target.is_nested() or isinstance(target, pl.Enum | pl.Categorical):
        target = pl.String()
    allowed = pl.select(convert(pl.lit(texts), pl.String(), target)).to_series()
    for text, value in zip(texts, allowed, strict=True):
        if value is None:
            raise DataError(f"data.columns.{name}.values: {text!r} is no {str(target).lower()}")
    return allowed


def flag_rows(batch: pl.DataFrame, rules: list[Rule]) -> pl.DataFrame:
    """A column a rule: true for rows that break it."""
    return batch.select(rule.broken.alias(str(index)) for index, rule in enumerate(rules))


def first_fault(
    batch: pl.DataFrame, flags: pl.DataFrame, rules: list[Rule], before: int
) -> str | None:
    """The rule that the first faulty row breaks, and the first rows that break it, from 1."""
    faults = [(rows[0], index) for index, flag in enumerate(flags) if len(rows := flag.arg_true())]
    if not faults:
        return None
    _, index = min(faults)
    rule, rows = rules[index], flags.to_series(index).arg_true()
    values = batch[rule.column].gather(rows.head(SHOWN_ROWS))
    places = [
        f"row {before + row + 1:,} ({_show(value)})"
        for row, value in zip(rows, values, strict=False)
    ]
    more = ", …" if len(rows) > SHOWN_ROWS else ""
    return f"column {rule.column!r}: {rule.reason} in {', '.join(places)}{more}"


def _show(value: object) -> str:
    text = " ".join(repr(value).split())  # an array has lines
    return text if len(text) <= 40 else f"{text[:40]}…"
