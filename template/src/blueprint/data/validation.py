"""The border: rows of a source against the columns that the configuration declares, in one pass."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl

from .dataset import DataError
from .rules import (
    Column,
    Rule,
    allowed_of,
    convert,
    first_fault,
    flag_rows,
    list_columns,
    rules_of,
    target_of,
)
from .streams import Batches, lazy, one_line, stream


@dataclass
class Report:
    """What the last complete reading found: rows, those put aside, and why (a row can have two)."""

    rows: int = 0
    dropped: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, flags: pl.DataFrame, bad: pl.Series, rules: list[Rule], rows: int) -> None:
        """Count a batch of `rows` rows, of which those in `bad` are put aside."""
        self.rows += rows
        self.dropped += int(bad.sum())
        for rule, flag in zip(rules, flags, strict=True):
            if flag.any():
                self.reasons[f"{rule.column} {rule.reason}"] += len(flag.arg_true())

    def facts(self) -> dict[str, int]:
        return {"quarantined_rows": self.dropped} if self.dropped else {}

    def line(self) -> str:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in self.reasons.items())
        return f"quarantined {self.dropped:,} of {self.rows:,} rows: {reasons}"


def validate(
    rows: pl.LazyFrame,
    columns: Mapping[str, Column],
    *,
    label: str,
    source: str,
    extra: str = "refuse",
    quarantine: bool = False,
    unlabelled: str = "refuse",
    explain: Callable[[Exception], str] = one_line,
    locate: Callable[[int], str] = lambda _: "",
) -> tuple[pl.LazyFrame, Report]:
    """Return `rows` in the declared types, checked while they are read, and what was found.

    The label must have a value even where nothing is declared, unless `unlabelled` rows are to be
    dropped later. `extra` columns are refused, dropped or kept. Rows without any value are blank
    lines, and left out. Reading raises `DataError` with the first rows at fault, or drops them in
    `quarantine`. `explain` says in one line what the reader could not read, and `locate` where a
    row of several files is.
    """
    try:
        schema = rows.collect_schema()
        names = _check_names(schema, columns, label, extra)
        checked = [name for name in names if name in columns or name == label]
        declared = {name: columns.get(name, Column()) for name in checked}
        blank = pl.all_horizontal(pl.all().is_null())
        rules = [
            _rule(name, reason, broken, label, blank)
            for name, column in declared.items()
            for reason, broken in rules_of(name, column, schema[name])
            if not (name == label and reason == "missing" and unlabelled == "drop")
        ]
        values = [_value(name, declared.get(name, Column()), schema[name], label) for name in names]
        result = pl.LazyFrame(schema=schema).select(values).collect_schema()
    except DataError as error:
        raise DataError(f"source {source}: {error}") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"source {source}: {explain(error)}") from None
    report = Report()

    def read() -> Batches:
        found, fault, before = Report(), None, 0
        try:
            for batch in stream(rows):
                flags = flag_rows(batch, rules)
                if fault:  # the rest is read to say how many rows there are
                    fault[1].add(batch, flags.to_series(fault[0]), before)
                elif not quarantine:
                    fault = first_fault(batch, flags, rules, before)
                before += len(batch)
                if not fault:
                    some = batch.select(~blank).to_series()
                    bad = flags.select(pl.any_horizontal(pl.all(), pl.lit(value=False))).to_series()
                    found.add(flags, bad, rules, int(some.sum()))
                    yield batch.filter(some & ~bad).select(values)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"source {source}: {explain(error)}") from None
        if fault:
            place = locate(fault[1].first)
            raise DataError(f"source {source}: {fault[1]}{place and f' ({place})'}")
        if found.rows == found.dropped:
            raise DataError(f"source {source}: {found.line() if found.rows else 'no rows'}")
        vars(report).update(vars(found))

    return lazy(read, result), report


def _rule(name: str, reason: str, broken: pl.Expr, label: str, blank: pl.Expr) -> Rule:
    hint = ""
    if reason == "missing":
        broken = broken & ~blank
        hint = f"data.columns.{name}: {{nullable: true}} allows it"
        if name == label:
            hint = "data.unlabelled: drop leaves such rows out"
    return Rule(name, reason, broken.fill_null(value=False), hint)


def _check_names(
    schema: pl.Schema, columns: Mapping[str, Column], label: str, extra: str
) -> list[str]:
    """The columns to hand on, in the order of the source."""
    if missing := [name for name in columns if name not in schema]:
        raise DataError(
            f"no column {', '.join(map(repr, missing))}, which data.columns declares; "
            + list_columns(schema)
        )
    if not columns:
        return list(schema)
    others = [name for name in schema if name not in columns and name != label]
    if others and extra == "refuse":
        raise DataError(
            f"column {', '.join(map(repr, others))} is not in data.columns; declare it (`make "
            "columns` writes it), or set data.extra_columns: drop or keep"
        )
    return [name for name in schema if name not in others or extra == "keep"]


def _value(name: str, column: Column, kind: pl.DataType, label: str) -> pl.Expr:
    """The column in its declared type; a label with declared values is an enumeration of them."""
    value = convert(pl.col(name), kind, target_of(column, kind))
    if name == label and column.values and not kind.is_nested():
        classes = pl.Enum(allowed_of(name, column, target_of(column, kind)).cast(pl.String))
        value = value.cast(pl.String).cast(classes, strict=False)
    return value
