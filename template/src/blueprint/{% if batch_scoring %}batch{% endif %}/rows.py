"""Rows as they come, and the arrays that a model takes of them: its signature is what they meet."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from ..data import DataError
from ..data.rules import (
    DTYPES,
    Fault,
    Rule,
    convert,
    flag_rows,
    list_columns,
    rules_of,
)
from ..data.settings import Column
from ..data.sources.files import tables
from ..model import Signature, Tensor

PREDICTION, PROBABILITY = "prediction", "probability"


@dataclass(frozen=True)
class Rows:
    """The rows of `path`, and what a model with `signature` asks of them.

    Columns of CSV are texts, so that those the model does not take are kept as they are written.
    """

    path: str
    signature: Signature
    frame: pl.LazyFrame
    schema: pl.Schema
    rules: list[Rule]
    separator: str

    @classmethod
    def open(
        cls, path: str, signature: Signature, *, separator: str, null_values: Collection[str]
    ) -> "Rows":
        """Raises `DataError` when nothing can be read or a column is not what the model takes."""
        options: dict[str, Any] = {"separator": separator, "null_values": null_values}
        names = tables.scan(path=path, **options).collect_schema().names()
        frame = tables.scan(path=path, **options, texts=names)
        schema = frame.collect_schema()
        try:
            rules = _rules(schema, signature)
        except DataError as error:
            raise DataError(f"files {path}: {error}") from None
        return cls(path, signature, frame, schema, rules, separator)

    def check(self, batch: pl.DataFrame, before: int, *, quarantine: bool) -> tuple[pl.Series, Any]:
        """Which rows can be scored, (n,), and the number of others by reason.

        Raises `DataError` with the first that cannot be, unless they are in `quarantine`; `before`
        is how many rows came before these.
        """
        flags = flag_rows(batch, self.rules)
        if not quarantine and (fault := _first_fault(batch, flags, self.rules, before)):
            raise DataError(f"files {self.path}: {fault}")
        reasons = {
            f"{rule.column}: {rule.reason}": int(flag.sum())
            for rule, flag in zip(self.rules, flags, strict=True)
            if flag.any()
        }
        return ~flags.select(pl.any_horizontal(pl.all())).to_series(), reasons

    def explain(self, error: Exception) -> str:
        """What could not be read, in one line."""
        text = tables.explain(error, path=self.path, separator=self.separator)
        return f"files {self.path}: {text}"

    def arrays(self, batch: pl.DataFrame) -> dict[str, np.ndarray]:
        """The model's inputs, (n, *shape), of rows that passed `check`."""
        values = batch.select(_value(tensor, self.schema) for tensor in self.signature.inputs)
        return {tensor.name: values[tensor.name].to_numpy() for tensor in self.signature.inputs}

    def kept(self, *, typed: bool) -> list[pl.Expr]:
        """Every column as it came; `typed`, a text that the model takes as a number is a number."""
        return [
            convert(pl.col(tensor.name), pl.String(), _wide(tensor))
            for tensor in self.signature.inputs
            if typed and self.schema[tensor.name] == pl.String and tensor.dtype != "string"
        ]


def predictions(signature: Signature, outputs: np.ndarray) -> list[pl.Series]:
    """The columns that scoring adds, for outputs (n, *shape): the class and its probability, or the
    number."""
    if not signature.classes:
        return [pl.Series(PREDICTION, outputs.reshape(len(outputs)))]
    best = outputs.argmax(axis=1) if len(outputs) else np.empty(0, np.int64)
    names = pl.Series(PREDICTION, signature.classes, dtype=pl.String)
    return [names.gather(best), pl.Series(PROBABILITY, outputs.max(axis=1, initial=0))]


def _rules(schema: pl.Schema, signature: Signature) -> list[Rule]:
    added = [PREDICTION, *([PROBABILITY] if signature.classes else [])]
    if taken := [name for name in added if name in schema]:
        raise DataError(f"column {taken[0]!r} is what scoring adds: rename it first")
    if missing := [tensor.name for tensor in signature.inputs if tensor.name not in schema]:
        raise DataError(
            f"no column {', '.join(map(repr, missing))}, which the model takes; "
            + list_columns(schema)
        )
    rules: list[Rule] = []
    for tensor in signature.inputs:
        kind = schema[tensor.name]
        shape = kind.shape if isinstance(kind, pl.Array) else ()
        if shape != tensor.shape or isinstance(kind, pl.List):
            raise DataError(f"column {tensor.name!r} is {kind}; the model takes {tensor}")
        column = Column.model_validate({"dtype": tensor.dtype, "nullable": tensor.nullable})
        rules += rules_of(tensor.name, column, kind)
        if shape:
            rules.append(Rule(tensor.name, "a missing or infinite number", _gap(tensor)))
    return rules


def _first_fault(
    batch: pl.DataFrame, flags: pl.DataFrame, rules: Sequence[Rule], before: int
) -> Fault | None:
    """The rule that the first faulty row breaks, with the rows that break it."""
    faults = [(rows[0], index) for index, flag in enumerate(flags) if len(rows := flag.arg_true())]
    if not faults:
        return None
    _, index = min(faults)
    fault = Fault(rules[index])
    fault.add(batch, flags.to_series(index), before)
    return fault


def _gap(tensor: Tensor) -> pl.Expr:
    """True where a number inside of an array is missing or infinite."""
    flat = pl.col(tensor.name).reshape((-1, int(np.prod(tensor.shape))))
    gone = pl.element().is_null()
    if DTYPES[tensor.dtype].is_float():
        gone |= ~pl.element().is_finite()
    return flat.arr.eval(gone).arr.any()


def _value(tensor: Tensor, schema: pl.Schema) -> pl.Expr:
    """A column in the type of its tensor, gaps as the model takes them."""
    kind, value = schema[tensor.name], pl.col(tensor.name)
    if tensor.shape:
        return value
    value = convert(value, kind, DTYPES[tensor.dtype])
    if not tensor.nullable:
        return value
    return value.fill_null("") if tensor.dtype == "string" else value.fill_null(float("nan"))


def _wide(tensor: Tensor) -> pl.DataType:
    """float64 for float32: a column that is kept loses no digit."""
    kind = DTYPES[tensor.dtype]
    return pl.Float64() if kind.is_float() else kind
