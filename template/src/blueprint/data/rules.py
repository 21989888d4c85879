"""What can be wrong with a value of a column that the configuration declares.

Plain Polars expressions, a handful a column: a schema library would have to learn of batches, row
numbers and quarantine first, and would be one more dependency in every image.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import polars as pl

from .dataset import DataError

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
SEPARATORS = set(";,|\t")
LARGEST = 3.4028234663852886e38  # of float32, which models compute in
INFINITE = "infinite or too large for float32"


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


@dataclass(frozen=True)
class Rule:
    """One thing that can be wrong with a value; `broken` is true for rows where it is."""

    column: str
    reason: str
    broken: pl.Expr
    hint: str = ""


@dataclass
class Fault:
    """A rule that rows break, how many do, and the first of them, counted from 1."""

    rule: Rule
    rows: int = 0
    shown: list[str] = field(default_factory=list)
    first: int = 0

    def add(self, batch: pl.DataFrame, flag: pl.Series, before: int) -> None:
        """Count the rows of a batch that break the rule; `before` is how many came before it."""
        rows = flag.arg_true()
        first = rows.head(SHOWN_ROWS - len(self.shown))
        self.first = self.first or (before + rows[0] + 1 if len(rows) else 0)
        values = batch[self.rule.column].gather(first)
        self.shown += [
            f"row {before + row + 1:,} ({_show(value)})"
            for row, value in zip(first, values, strict=True)
        ]
        self.rows += len(rows)

    def __str__(self) -> str:
        more = f", … ({self.rows:,} rows)" if self.rows > len(self.shown) else ""
        hint = f"; {self.rule.hint}" if self.rule.hint else ""
        where = f"{', '.join(self.shown)}{more}"
        return f"column {self.rule.column!r}: {self.rule.reason} in {where}{hint}"


def target_of(column: Column, kind: pl.DataType) -> pl.DataType:
    return DTYPES[column.dtype] if column.dtype and not kind.is_nested() else kind


def rules_of(name: str, column: Column, kind: pl.DataType) -> list[tuple[str, pl.Expr]]:
    """What can be wrong with a value of this column, as the source gives it."""
    raw, target = pl.col(name), target_of(column, kind)
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
        rules.append((INFINITE, value.abs() > LARGEST))
    for word, bound in (("below", column.min), ("above", column.max)):
        if bound is not None:
            limit = _bound(name, bound, target)
            shown = bound if isinstance(bound, str) else f"{bound:.15g}"
            rules.append((f"{word} {shown}", value < limit if word == "below" else value > limit))
    if column.values is not None:
        allowed = allowed_of(name, column, target)
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


def allowed_of(name: str, column: Column, target: pl.DataType) -> pl.Series:
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
) -> tuple[int, Fault] | None:
    """The rule that the first faulty row breaks, by its place and with the rows that break it."""
    faults = [(rows[0], index) for index, flag in enumerate(flags) if len(rows := flag.arg_true())]
    if not faults:
        return None
    _, index = min(faults)
    fault = Fault(rules[index])
    fault.add(batch, flags.to_series(index), before)
    return index, fault


def list_columns(names: Collection[str]) -> str:
    """What columns there are, for the error that one is missing."""
    [first, *more] = names or [""]
    hint = " (data.files.separator says what stands between columns)"
    apart = more or not SEPARATORS & set(first)
    return f"the columns are {', '.join(names)}{'' if apart else hint}"


def _show(value: object) -> str:
    text = " ".join(repr(value).split())  # an array has lines
    return text if len(text) <= 40 else f"{text[:40]}…"
