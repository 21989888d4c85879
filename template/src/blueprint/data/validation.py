"""Rows of a source against the columns that the configuration declares."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl

from . import DataError
from .frames import ERRORS, one_line
from .rules import (
    MISSING,
    SHOWN_ROWS,
    Fault,
    Rule,
    allowed_of,
    convert,
    list_columns,
    rules_of,
    target_of,
)
from .settings import Column

ROW = "number of the row"


@dataclass
class Report:
    """What was checked: rows, those in quarantine, and why (a row can have two reasons)."""

    rows: int = 0
    dropped: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def facts(self) -> dict[str, int]:
        return {"quarantined_rows": self.dropped} if self.dropped else {}

    def lines(self) -> list[str]:
        """What people should know of it."""
        if not self.dropped:
            return []
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in self.reasons.items())
        return [f"quarantined {self.dropped:,} of {self.rows:,} rows: {reasons}"]


def validate(
    rows: pl.LazyFrame,
    columns: Mapping[str, Column],
    *,
    label: str,
    source: str,
    extra: str = "refuse",
    quarantine: bool = False,
    unlabelled: str = "refuse",
    explain: Callable[[BaseException], str] = one_line,
    locate: Callable[[int], str] = lambda _: "",
) -> tuple[pl.LazyFrame, Report]:
    """Return `rows` in the declared types, without blank ones, and a report on them.

    Where columns are declared, this reads them once. Raises `DataError` with the first rows at
    fault, unless `quarantine` leaves these out; so it does for `extra` columns, which can be
    dropped or kept, and for rows without a label, unless `unlabelled` ones are dropped later.
    `explain` says what could not be read, and `locate` where a row of several files is.
    """
    try:
        schema = rows.collect_schema()
        names = _check_names(schema, columns, label, extra)
        blank = pl.all_horizontal(pl.col(*schema).is_null())
        rules = [
            _explained(rule, label, blank)
            for name in names
            if columns and (name in columns or name == label)
            for rule in rules_of(name, columns.get(name, Column()), schema[name])
            if not (name == label and rule.reason == MISSING and unlabelled == "drop")
        ]
        values = [_value(name, columns.get(name, Column()), schema[name], label) for name in names]
        report = _check(rows, rules, blank, locate, quarantine=quarantine) if rules else Report()
        out = [rule.broken for rule in rules] if report.dropped else []
        return rows.filter(~pl.any_horizontal(blank, *out)).select(values), report
    except DataError as error:
        raise DataError(f"source {source}: {error}") from None
    except ERRORS as error:
        raise DataError(f"source {source}: {explain(error)}") from None


def _check(
    rows: pl.LazyFrame,
    rules: list[Rule],
    blank: pl.Expr,
    locate: Callable[[int], str],
    *,
    quarantine: bool,
) -> Report:
    """Read the rows once; raises `DataError` for the rule that the first row at fault breaks."""
    numbered = rows.with_row_index(ROW, offset=1)
    broken = [rule.broken for rule in rules]
    names = [f"rule {index}" for index in range(len(rules))]
    # Flags first, then their sums: Polars computes each rule once.
    flags = [expr.alias(name) for name, expr in zip(names, broken, strict=True)]
    counts = numbered.select(ROW, blank.alias("blank"), *flags).select(
        (~pl.col("blank")).sum().alias("rows"),
        pl.any_horizontal(names).sum().alias("dropped"),
        *(pl.col(name).sum().alias(f"count {index}") for index, name in enumerate(names)),
        *(
            pl.when(name).then(ROW).min().alias(f"first {index}")
            for index, name in enumerate(names)
        ),
    )
    numbers = counts.collect(engine="streaming").row(0, named=True)
    reasons: dict[str, int] = {}
    for index, rule in enumerate(rules):
        if count := numbers[f"count {index}"]:
            reason = f"{rule.column} {rule.reason}"
            reasons[reason] = reasons.get(reason, 0) + count
    report = Report(numbers["rows"], numbers["dropped"], reasons)
    if report.dropped and not quarantine:
        first = [numbers[f"first {index}"] or math.inf for index in range(len(rules))]
        index = first.index(min(first))
        shown = numbered.filter(broken[index]).select(ROW, rules[index].column).head(SHOWN_ROWS)
        some = shown.collect(engine="streaming").get_columns()
        fault = Fault(rules[index], numbers[f"count {index}"], *(each.to_list() for each in some))
        place = locate(fault.first[0])
        raise DataError(f"{fault}{place and f' ({place})'}")
    if report.rows == report.dropped:
        raise DataError(report.lines()[0] if report.rows else "no rows")
    return report


def _explained(rule: Rule, label: str, blank: pl.Expr) -> Rule:
    """The rule with the way out; a blank row, which is left out anyway, breaks none."""
    if rule.reason != MISSING:
        return rule
    hint = f"data.columns.{rule.column}: {{nullable: true}} allows it"
    if rule.column == label:
        hint = "data.unlabelled: drop leaves such rows out"
    return Rule(rule.column, MISSING, rule.broken & ~blank, hint)


def _check_names(
    schema: pl.Schema, columns: Mapping[str, Column], label: str, extra: str
) -> list[str]:
    """The columns to hand on, in the order of the source."""
    if missing := [name for name in columns if name not in schema]:
        raise DataError(
            f"no column {', '.join(map(repr, missing))}, which data.columns declares; "
            + list_columns(schema)
        )
    others = [name for name in schema if columns and name not in columns and name != label]
    if others and extra == "refuse":
        raise DataError(
            f"column {', '.join(map(repr, others))} is not in data.columns; declare it (`make "
            "columns` writes it), or set data.extra_columns: drop or keep"
        )
    return [name for name in schema if name not in others or extra == "keep"]


def _value(name: str, column: Column, dtype: pl.DataType, label: str) -> pl.Expr:
    """The column in its declared type; a label with declared values is an enumeration of them."""
    target = target_of(column, dtype)
    value = convert(pl.col(name), dtype, target)
    if name == label and column.values and not dtype.is_nested():
        classes = pl.Enum(allowed_of(name, column, target).cast(pl.String))
        value = value.cast(pl.String).cast(classes, strict=False)
    return value
