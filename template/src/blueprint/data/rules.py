"""What can be wrong with a value: rules as Polars expressions, and the rows that break them.

Not pandera: it names no column where a text cannot be converted, checks lazy frames only by their
types, and has none of the conversions below, which would all stay here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
import polars as pl

from ..text import listing, shorten
from . import DataError
from .settings import Column, Dtype

DTYPES: dict[str, pl.DataType] = {
    name: pl.Series(np.empty(0, name)).dtype
    for name in get_args(Dtype)
    if name not in ("string", "date", "datetime")
}
DTYPES |= {"string": pl.String(), "date": pl.Date(), "datetime": pl.Datetime("us")}
SHOWN_ROWS = 5
LARGEST = 3.4028234663852886e38  # of float32, which models compute in
MISSING, INFINITE = "missing", "infinite or too large for float32"


@dataclass(frozen=True)
class Rule:
    """One thing that can be wrong with a value; `broken` is true for rows where it is."""

    column: str
    reason: str
    broken: pl.Expr
    hint: str = ""


@dataclass
class Fault:
    """A rule that rows break, how many do, and the first of them: their numbers, from 1."""

    rule: Rule
    rows: int = 0
    first: list[int] = field(default_factory=list)
    values: list[object] = field(default_factory=list)

    def add(self, batch: pl.DataFrame, flag: pl.Series, before: int) -> None:
        """Count the rows of a batch that break the rule; `before` is how many came before it."""
        rows = flag.arg_true()
        some = rows.head(SHOWN_ROWS - len(self.first))
        self.first += [before + row + 1 for row in some]
        self.values += batch[self.rule.column].gather(some).to_list()
        self.rows += len(rows)

    def __str__(self) -> str:
        shown = [
            f"row {row:,} ({shorten(' '.join(repr(value).split()), 41)})"  # an array has lines
            for row, value in zip(self.first, self.values, strict=True)
        ]
        more = f", … ({self.rows:,} rows)" if self.rows > len(shown) else ""
        hint = f"; {self.rule.hint}" if self.rule.hint else ""
        return f"column {self.rule.column!r}: {self.rule.reason} in {', '.join(shown)}{more}{hint}"


class Faults:
    """The faults of the rows that are read batch by batch."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules, self._rows = rules, 0
        self._faults: dict[int, Fault] = {}

    def add(self, batch: pl.DataFrame) -> bool:
        """Look at a batch; false where it, or one before it, breaks a rule."""
        for index, flag in enumerate(flag_rows(batch, self._rules)):
            if flag.any():
                fault = self._faults.setdefault(index, Fault(self._rules[index]))
                fault.add(batch, flag, self._rows)
        self._rows += len(batch)
        return not self._faults

    def raise_first(self) -> None:
        """Raise `DataError` with up to three faults, if there is one."""
        if self._faults:
            raise DataError("; ".join(str(fault) for fault in [*self._faults.values()][:3]))


def flag_rows(batch: pl.DataFrame, rules: Sequence[Rule]) -> pl.DataFrame:
    """A column a rule: true for rows that break it."""
    return batch.select(rule.broken.alias(str(index)) for index, rule in enumerate(rules))


def rules_of(name: str, column: Column, dtype: pl.DataType) -> list[Rule]:
    """What can be wrong with a value of this column, of which the source gives `dtype`."""
    raw, target = pl.col(name), target_of(column, dtype)
    broken: list[tuple[str, pl.Expr]] = []
    if not column.nullable:
        broken.append((MISSING, is_missing(raw, dtype)))
    if dtype.is_nested():
        _check_nested(name, column, dtype)
    else:
        value = convert(raw, dtype, target)
        if target != dtype:
            broken.append((f"not {column.dtype}", _cannot_be(raw, value, name, dtype, target)))
        if target.is_float():
            if not column.nullable and dtype == pl.String:
                broken.append((MISSING, value.is_nan()))
            value = value.fill_nan(None)
            broken.append((INFINITE, value.abs() > LARGEST))
        for word, bound in (("below", column.min), ("above", column.max)):
            if bound is not None:
                limit = _bound(name, bound, target)
                shown = bound if isinstance(bound, str) else f"{bound:.15g}"
                out = value < limit if word == "below" else value > limit
                broken.append((f"{word} {shown}", out))
        if column.values is not None:
            allowed = allowed_of(name, column, target)
            broken.append((f"none of {listing(column.values)}", ~value.is_in(allowed.implode())))
    return [Rule(name, reason, expr.fill_null(value=False)) for reason, expr in broken]


def is_missing(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    return value.is_null() | value.is_nan() if dtype.is_float() else value.is_null()


def target_of(column: Column, dtype: pl.DataType) -> pl.DataType:
    return DTYPES[column.dtype] if column.dtype and not dtype.is_nested() else dtype


def inner_of(dtype: pl.DataType) -> pl.DataType:
    """The dtype of the values inside of arrays and lists."""
    while isinstance(dtype, pl.Array | pl.List):
        dtype = dtype.inner  # type: ignore[assignment]
    return dtype


def convert(value: pl.Expr, dtype: pl.DataType, target: pl.DataType) -> pl.Expr:
    """`value` as `target`; null where that cannot be."""
    if dtype == target:
        return value
    if dtype == pl.String:
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


def allowed_of(name: str, column: Column, target: pl.DataType) -> pl.Series:
    """The declared `values` of a column in its dtype."""
    texts = pl.Series(column.values, dtype=pl.String)
    if target.is_nested() or isinstance(target, pl.Enum | pl.Categorical):
        target = pl.String()
    allowed = pl.select(convert(pl.lit(texts), pl.String(), target)).to_series()
    if allowed.null_count():
        text = texts.filter(allowed.is_null())[0]
        raise DataError(f"data.columns.{name}.values: {text!r} is no {str(target).lower()}")
    return allowed


def list_columns(names: Collection[str]) -> str:
    """What columns there are, for the error that one is missing."""
    [first, *more] = names or [""]
    hint = " (data.files.separator says what stands between columns)"
    apart = more or not set(first) & set(";,|\t")
    return f"the columns are {', '.join(names)}{'' if apart else hint}"


def _cannot_be(
    raw: pl.Expr, value: pl.Expr, name: str, dtype: pl.DataType, target: pl.DataType
) -> pl.Expr:
    """True where `value`, which is `raw` as `target`, is another one."""
    if dtype.is_temporal() != target.is_temporal() and pl.String() not in (dtype, target):
        raise DataError(f"column {name!r} is {str(dtype).lower()}, not {str(target).lower()}")
    wrong = value.is_null()
    if dtype.is_float() and target.is_integer():
        wrong = (wrong & raw.is_not_nan()) | (value.cast(dtype) != raw)
    if dtype.is_numeric() and target == pl.Boolean:
        wrong = ~raw.is_in([0, 1])
    return raw.is_not_null() & wrong


def _check_nested(name: str, column: Column, dtype: pl.DataType) -> None:
    inner = inner_of(dtype)
    if column.dtype and inner != DTYPES[column.dtype]:
        is_of = str(inner).lower()
        raise DataError(f"column {name!r} is an array of {is_of}, not of {column.dtype}")
    if (column.min, column.max, column.values) != (None, None, None):
        raise DataError(f"data.columns.{name}: an array has no min, max or values")


def _bound(name: str, bound: float | str, target: pl.DataType) -> pl.Expr:
    if isinstance(bound, str) and target.is_temporal():
        limit = convert(pl.lit(bound), pl.String(), target)
        if pl.select(limit).item() is not None:
            return limit
    elif not isinstance(bound, str) and target.is_numeric():
        return pl.lit(bound)
    raise DataError(f"data.columns.{name}: the bound {bound!r} is no {str(target).lower()}")
