"""What `data.columns` could say of a source, from its rows."""

import re
from collections.abc import Callable
from typing import Any

import polars as pl
import yaml

from .columns import MANY, REGRESSION
from .dataset import DataError
from .findings import ADVICE, LOOKS
from .rules import DTYPES, LARGEST
from .streams import one_line

NAMES = {kind: name for name, kind in DTYPES.items()}
COMMAS = "numbers with decimal commas"
HEAD = 1_000_000  # rows in which a text is looked at, to tell what it is


def propose(
    rows: pl.LazyFrame,
    label: str,
    task: str,
    explain: Callable[[Exception], str] = one_line,
) -> tuple[str, list[str]]:
    """YAML of `data.columns` that `rows` fulfil, and what a person should know of it.

    Texts of at most 20 different values stay texts, and are proposed with these, as classes of the
    label are; others may be numbers or dates.
    Raises `DataError` for rows that cannot be read.
    """
    try:
        schema = rows.collect_schema()
        facts = rows.select(pl.len(), *(each for name in schema for each in _facts(name, schema)))
        found = facts.collect(engine="streaming").row(0, named=True)
        listed = [name for name in schema if _is_listed(schema[name], name == label, found, name)]
        listed = [name for name in listed if (name, task) != (label, REGRESSION)]
        values = {name: _values(rows, name) for name in listed}
        texts = [name for name in schema if schema[name] == pl.String and name not in listed]
        looks = {name: _look(rows, name) for name in texts}
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(explain(error)) from None
    lines = ["data:", "  columns:"]
    said = [f"from {found['len']:,} rows; widen min, max and values to what may come"]
    for name, kind in schema.items():
        dtype = looks.get(name, "") or NAMES.get(_inner(kind))
        column: dict[str, Any] = {"dtype": dtype} if dtype else {}
        missing = found.get(f"{name}/missing", 0)
        if name in values and dtype in ("string", NAMES.get(kind)):
            column["values"] = values[name]
        elif dtype == NAMES.get(kind):
            column |= _bounds(found.get(f"{name}/min"), found.get(f"{name}/max"))
        if missing and name == label:
            said.append(f"{missing:,} rows have no label; data.unlabelled: drop leaves them out")
        elif missing:
            column["nullable"] = True
        if dtype == COMMAS:
            del column["dtype"]
            said.append(f"{name}: {COMMAS}; {ADVICE[COMMAS].replace('NAME', name)}")
        elif name in looks and dtype != "string":
            said.append(f"{name}: texts that are read as {dtype}; dtype: string keeps them")
        lines.append(f"    {_flow(name)}: {_flow(column)}")
    return "\n".join(lines) + "\n", said


def _facts(name: str, schema: pl.Schema) -> list[pl.Expr]:
    value, kind = pl.col(name), schema[name]
    if kind.is_nested():
        return []
    if kind.is_float():
        value = value.fill_nan(None)
    facts = [value.null_count().alias(f"{name}/missing")]
    if kind in NAMES and (kind.is_numeric() or kind.is_temporal()):
        facts += [value.min().alias(f"{name}/min"), value.max().alias(f"{name}/max")]
    if kind == pl.String or kind.is_integer():
        facts.append(value.approx_n_unique().alias(f"{name}/different"))
    return facts


def _is_listed(kind: pl.DataType, is_label: bool, found: dict[str, Any], name: str) -> bool:
    """Whether a column's values are worth a list."""
    few = found.get(f"{name}/different", MANY + 1) <= MANY
    fixed = isinstance(kind, pl.Enum | pl.Categorical) or (is_label and kind == pl.Boolean)
    return fixed or (few and (is_label or kind == pl.String))


def _values(rows: pl.LazyFrame, name: str) -> list[str]:
    different = rows.select(pl.col(name).drop_nulls().unique().sort().cast(pl.String))
    return different.collect(engine="streaming").to_series().to_list()


def _bounds(low: Any, high: Any) -> dict[str, Any]:
    if low is None or (isinstance(low, float) and not -LARGEST <= low <= high <= LARGEST):
        return {}
    numbers = isinstance(low, int | float)
    return {"min": low if numbers else str(low), "max": high if numbers else str(high)}


def _look(rows: pl.LazyFrame, name: str) -> str:
    """The dtype that every text of a column could be read as, or `COMMAS`."""
    value = pl.col(name).str.strip_chars()
    code = value.str.contains(r"^0\d")  # a zip code, and no number
    texts = rows.select(name).head(HEAD).drop_nulls()
    every = texts.select(
        pl.len(),
        (value.str.contains(LOOKS["numbers"]) & ~code).all().alias("float64"),
        value.str.contains(LOOKS[COMMAS]).all().alias(COMMAS),
        value.str.to_date("%Y-%m-%d", strict=False).is_not_null().all().alias("date"),
    )
    found = every.collect(engine="streaming").row(0, named=True)
    fits = [what for what in ("float64", COMMAS, "date") if found[what] and found["len"]]
    return fits[0] if fits else "string"


def _inner(kind: pl.DataType) -> pl.DataType:
    while isinstance(kind, pl.Array | pl.List):
        kind = kind.inner  # type: ignore[assignment]
    return kind


def _flow(value: object) -> str:
    """One line of YAML."""
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return re.sub(r"\n(\.\.\.\n)?$", "", text)
