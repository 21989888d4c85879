"""`data.columns` that the rows of a source fulfil, to paste into the configuration."""

import re
from typing import Any

import polars as pl
import yaml

from .. import DataError, sources
from ..features import MANY, REGRESSION
from ..frames import ERRORS
from ..oddities import ADVICE, LOOKS
from ..rules import DTYPES, LARGEST, inner_of
from ..settings import Data

NAMES = {dtype: name for name, dtype in DTYPES.items()}
COMMAS = "numbers with decimal commas"
HEAD = 1_000_000  # rows in which a text is looked at, to tell what it is


def propose(data: Data) -> tuple[str, list[str]]:
    """YAML of `data.columns` that the source fulfils, and what a person should know of it.

    Texts of at most 20 different values stay texts, and are proposed with these, as classes of the
    label are; others may be numbers or dates. Raises `DataError` for rows that cannot be read.
    """
    data = data.model_copy(update={"columns": {}})
    origin = data.origin()
    try:
        rows = sources.scan(data.source, **data.options())
        return _propose(rows, data.label, data.task)
    except DataError as error:
        named = origin in str(error)
        raise error if named else DataError(f"source {origin}: {error}") from None
    except ERRORS as error:
        raise DataError(f"source {origin}: {sources.explain(data, error)}") from None


def _propose(rows: pl.LazyFrame, label: str, task: str) -> tuple[str, list[str]]:
    schema = rows.collect_schema()
    wanted = rows.select(pl.len(), *(each for name in schema for each in _facts(name, schema)))
    facts = wanted.collect(engine="streaming").row(0, named=True)
    lines = ["data:", "  columns:"]
    notes = [f"from {facts['len']:,} rows; widen min, max and values to what may come"]
    for name, dtype in schema.items():
        few = facts.get(f"{name}/different", MANY + 1) <= MANY
        fixed = isinstance(dtype, pl.Enum | pl.Categorical)
        fixed = fixed or (name == label and dtype == pl.Boolean)
        listed = fixed or (few and (name == label or dtype == pl.String))
        listed = listed and (name, task) != (label, REGRESSION)
        looks = _look(rows, name) if dtype == pl.String and not listed else None
        proposed = looks or NAMES.get(inner_of(dtype))
        column: dict[str, Any] = {"dtype": proposed} if proposed not in (None, COMMAS) else {}
        if listed and proposed in ("string", NAMES.get(dtype)):
            column["values"] = _values(rows, name)
        elif proposed == NAMES.get(dtype):
            column |= _bounds(facts.get(f"{name}/min"), facts.get(f"{name}/max"))
        missing = facts.get(f"{name}/missing", 0)
        if missing and name == label:
            notes.append(f"{missing:,} rows have no label; data.unlabelled: drop leaves them out")
        elif missing:
            column["nullable"] = True
        if looks == COMMAS:
            notes.append(f"{name}: {COMMAS}; {ADVICE[COMMAS].replace('NAME', name)}")
        elif looks not in (None, "string"):
            notes.append(f"{name}: texts that are read as {looks}; dtype: string keeps them")
        lines.append(f"    {_flow(name)}: {_flow(column)}")
    return "\n".join(lines) + "\n", notes


def _facts(name: str, schema: pl.Schema) -> list[pl.Expr]:
    value, dtype = pl.col(name), schema[name]
    if dtype.is_nested():
        return []
    if dtype.is_float():
        value = value.fill_nan(None)
    facts = [value.null_count().alias(f"{name}/missing")]
    if dtype in NAMES and (dtype.is_numeric() or dtype.is_temporal()):
        facts += [value.min().alias(f"{name}/min"), value.max().alias(f"{name}/max")]
    if dtype == pl.String or dtype.is_integer():
        facts.append(value.approx_n_unique().alias(f"{name}/different"))
    return facts


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
    facts = every.collect(engine="streaming").row(0, named=True)
    fits = [what for what in ("float64", COMMAS, "date") if facts[what] and facts["len"]]
    return fits[0] if fits else "string"


def _flow(value: object) -> str:
    """One line of YAML."""
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return re.sub(r"\n(\.\.\.\n)?$", "", text)
