"""What is found in rows on their way to the data sets: values that no model takes, and oddities."""

import re
from collections.abc import Collection, Mapping

import numpy as np
import polars as pl

from .columns import MANY
from .dataset import DataError, Feature
from .rules import INFINITE, LARGEST, Fault, Rule

SHOWN = 5
INDEX = re.compile(r"Unnamed: \d+|__index_level_\d+__|")
TWICE = re.compile(r"(.+)_duplicated_\d+")  # as Polars calls the second column of a name
LEAVE_OUT = "leave it out in steps/data.py, or by data.columns with data.extra_columns: drop"
EXACT = 2**24  # float32 has every whole number up to here
ROUNDED = ("int32", "int64", "uint32", "uint64", "float64")
# What texts may be instead: most values of a column look so.
LOOKS = {
    "numbers": r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$",
    "numbers with decimal commas": r"^[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+$",
    "dates": r"^(\d{4}-\d{1,2}-\d{1,2}([T ].*)?|\d{1,2}([./])\d{1,2}[./]\d{2,4})$",
}
MOST = 0.9
ADVICE = {
    "numbers": "data.columns: {NAME: {dtype: float64}} makes them numbers, {dtype: string} keeps "
    "them; what stands for a missing one is for data.files.null_values",
    "numbers with decimal commas": "make numbers of them in steps/data.py, with "
    'pl.col("NAME").str.replace(",", ".").cast(pl.Float64)',
    "dates": "declare {dtype: date} in data.columns and make a number of it in steps/data.py, or "
    "{dtype: string} to keep it",
}


class Findings:
    """What the rows of one reading hold, batch by batch.

    Everything but a nullable feature must have values, and numbers must be finite. Columns in
    `declared` have a type that the configuration says: nothing is guessed of them.
    """

    def __init__(
        self, features: Mapping[str, Feature], label: str, declared: Collection[str]
    ) -> None:
        self.features, self.label, self.declared = features, label, declared
        self.rows = 0
        self._faults: dict[tuple[str, str], Fault] = {}
        self._notes: dict[str, list[str]] = {}
        self._look_at = [name for name, feature in features.items() if feature.dtype == "string"]
        self._wide = [name for name, feature in features.items() if feature.dtype in ROUNDED]
        for name in features:
            if INDEX.fullmatch(name):
                self._note(f"learned from, but looks like an index of pandas; {LEAVE_OUT}", name)
            elif "\ufffd" in name:
                self._note("its name is not UTF-8 in the file; convert that, as with iconv", name)
            elif (same := TWICE.fullmatch(name)) and same[1] in features:
                self._note("the second column of one name; rename it in the source", name)

    def add(self, batch: pl.DataFrame) -> bool:
        """Look at a batch; false where it, or one before it, holds values that no model takes."""
        for (name, reason), flag in self._flags(batch).items():
            fault = self._faults.setdefault((name, reason), Fault(self._rule(name, reason)))
            fault.add(batch, flag, self.rows)
        if not self._faults:
            self._look_at = [name for name in self._look_at if not self._texts(name, batch[name])]
            self._wide = [name for name in self._wide if not self._rounds(name, batch[name])]
        self.rows += len(batch)
        return not self._faults

    def refuse(self) -> None:
        """Raise `DataError` for the values that no model takes, if there were any."""
        if self._faults:
            raise DataError("; ".join(str(fault) for fault in [*self._faults.values()][:3]))

    def look_at_classes(self, classes: Collection[str]) -> None:
        """Note classes that are hardly meant: variants of one, numbers, dates."""
        if any(not name.strip() for name in classes):
            self._note("an empty text is a class; steps/data.py can make it missing", self.label)
        if classes and self.label not in self.declared:
            self._texts(self.label, pl.Series(self.label, list(classes), dtype=pl.String))

    def notes(self) -> list[str]:
        """A line for each oddity, with the columns that have it."""
        lines = []
        for text, names in self._notes.items():
            shown = ", ".join(map(repr, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")
            columns = f"column{'s'[: len(names) > 1]} {shown}: " if names else ""
            lines.append(columns + text.replace("NAME", next(iter(names), "")))
        return lines

    def _note(self, text: str, name: str) -> None:
        self._notes.setdefault(text, []).append(name)

    def _rule(self, name: str, reason: str) -> Rule:
        if reason == INFINITE:
            hint = "steps/data.py can drop, cap or replace such values"
        elif name == self.label:
            hint = "data.unlabelled: drop leaves such rows out"
        elif INDEX.fullmatch(name):  # a separator at the end of each line makes one, too
            hint = LEAVE_OUT
        elif name in self.features and not self.features[name].shape:
            hint = "declare it in data.columns with nullable: true, or fill it in steps/data.py"
        else:
            hint = "every row needs one"
        return Rule(name, reason, pl.lit(value=False), hint)

    def _flags(self, batch: pl.DataFrame) -> dict[tuple[str, str], pl.Series]:
        """The rows at fault, (n,), by column and reason, where there are any."""
        wrong: dict[tuple[str, str], pl.Expr] = {}
        found: dict[tuple[str, str], pl.Series] = {}
        for name, kind in batch.schema.items():
            if kind.is_nested():
                found |= _nested(batch[name])
                continue
            value, gaps = pl.col(name), name in self.features and self.features[name].nullable
            if not gaps:
                wrong[name, "missing"] = value.is_null()
                if kind.is_float():
                    wrong[name, "missing"] |= value.is_nan()
            if kind.is_float() and (name in self.features or name == self.label):
                wrong[name, INFINITE] = value.fill_nan(None).abs() > LARGEST
        any_of = [expr.any().alias(str(index)) for index, expr in enumerate(wrong.values())]
        for (key, expr), hit in zip(wrong.items(), batch.select(any_of).row(0), strict=True):
            if hit:
                found[key] = batch.select(expr.fill_null(value=False)).to_series()
        return found

    def _rounds(self, name: str, values: pl.Series) -> bool:
        """Note numbers that float32 cannot tell apart; true once that is said."""
        values = values.drop_nulls()
        values = values.drop_nans() if values.dtype.is_float() else values
        if values.is_empty():
            return False
        low, high = values.to_frame().select(low=pl.first().min(), high=pl.first().max()).row(0)
        largest = max(abs(low), abs(high))
        if largest <= EXACT and (high - low) * 2**12 >= largest:
            return False
        wide = values.cast(pl.Float64)
        there = wide.cast(pl.Float32).cast(pl.Float64)
        lost = (wide != there) & (wide % 1 == 0)
        before, after = wide.n_unique(), there.n_unique()
        if lost.mean() <= 1 - MOST and after >= MOST * before:  # type: ignore[operator]
            return False
        where = int((lost if lost.any() else wide != there).arg_max() or 0)
        self._notes[
            f"column {name!r}: {before:,} different values are {after:,} in float32, which models "
            f"compute in ({wide[where]:.15g} is {there[where]:.15g}): subtract a number in "
            "steps/data.py, or leave the column out"
        ] = []
        return True

    def _texts(self, name: str, values: pl.Series) -> bool:
        """Note texts that look like something else; true once there were any to look at."""
        texts = values.drop_nulls()
        texts = texts.filter(texts != "")
        if name in self.declared or texts.is_empty():
            return name in self.declared
        different = texts.unique()
        plain = different.str.strip_chars().str.to_lowercase()
        if len(different) <= 5 * MANY and plain.n_unique() < len(different):
            twice = different.filter(plain == plain.filter(plain.is_duplicated()).sort()[0]).sort()
            self._note(
                f"{', '.join(map(repr, twice))} differ by case or spaces alone, and are learned "
                "from as different values; steps/data.py can make one of them",
                name,
            )
        if len(different) > MANY:
            for what, look in LOOKS.items():
                if texts.str.strip_chars().str.contains(look).mean() >= MOST:  # type: ignore[operator]
                    self._note(f"{what} are learned from as texts; {ADVICE[what]}", name)
        return True


def _nested(values: pl.Series) -> dict[tuple[str, str], pl.Series]:
    """The same of arrays: a number inside of one is missing or infinite."""
    array = values.to_numpy()  # integers with a null among them come as floats
    if array.dtype.kind != "f":
        gone = {"missing": values.is_null().to_numpy()}
    else:
        flat = array.reshape(len(array), -1)
        gone = {"missing": np.isnan(flat).any(axis=1)}
        gone[INFINITE] = (np.abs(flat) > LARGEST).any(axis=1) & ~gone["missing"]
    return {(values.name, why): pl.Series(rows) for why, rows in gone.items() if rows.any()}
