"""What is found in rows on their way to the data sets: values that no model takes, and oddities."""

import re
from collections.abc import Collection, Mapping

import polars as pl

from ..text import listing
from . import DataError
from .dataset import Feature
from .features import MANY
from .rules import INFINITE, LARGEST, MISSING, Fault, Rule, flag_rows, is_missing

SHOWN = 5
INDEX = re.compile(r"Unnamed: \d+|__index_level_\d+__|")
TWICE = re.compile(r"(.+)_duplicated_\d+")  # as Polars calls the second column of a name
LEAVE_OUT = "leave it out in data.py, or by data.columns with data.extra_columns: drop"
EXACT = 2**24  # float32 has every whole number up to here
ROUNDED = ("int32", "int64", "uint32", "uint64", "float64")
# What texts may be instead: most values of a column look so. And what decides it.
LOOKS = {
    "numbers": r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$",
    "numbers with decimal commas": r"^[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+$",
    "dates": r"^(\d{4}-\d{1,2}-\d{1,2}([T ].*)?|\d{1,2}([./])\d{1,2}[./]\d{2,4})$",
}
MOST = 0.9
ADVICE = {
    "numbers": "data.columns: {NAME: {dtype: float64}} makes them numbers, {dtype: string} keeps "
    "them; what stands for a missing one is for data.files.null_values",
    "numbers with decimal commas": "make numbers of them in data.py, with "
    'pl.col("NAME").str.replace(",", ".").cast(pl.Float64)',
    "dates": "declare {dtype: date} in data.columns and make a number of it in data.py, or "
    "{dtype: string} to keep it",
}


class Findings:
    """What the rows of one reading hold, batch by batch.

    Everything but a nullable feature must have values, and numbers must be finite. Columns in
    `declared` have a type that the configuration gives: nothing is guessed of them.
    """

    def __init__(
        self,
        schema: Mapping[str, pl.DataType],
        features: Mapping[str, Feature],
        label: str,
        declared: Collection[str],
    ) -> None:
        self.label, self.declared, self.rows = label, declared, 0
        self._rules = [
            rule for name in schema for rule in _rules(name, schema[name], features, label)
        ]
        self._faults: dict[int, Fault] = {}
        self._notes: dict[str, list[str]] = {}
        self._texts = [name for name, feature in features.items() if feature.dtype == "string"]
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
        for index, flag in enumerate(flag_rows(batch, self._rules)):
            if flag.any():
                fault = self._faults.setdefault(index, Fault(self._rules[index]))
                fault.add(batch, flag, self.rows)
        if not self._faults:
            self._texts = [name for name in self._texts if not self._look_at(name, batch[name])]
            self._wide = [name for name in self._wide if not self._is_rounded(name, batch[name])]
        self.rows += len(batch)
        return not self._faults

    def raise_faults(self) -> None:
        """Raise `DataError` for the values that no model takes, if there were any."""
        if self._faults:
            raise DataError("; ".join(str(fault) for fault in [*self._faults.values()][:3]))

    def look_at_classes(self, classes: Collection[str]) -> None:
        """Note classes that are hardly meant: variants of one, numbers, dates."""
        if any(not name.strip() for name in classes):
            self._note("an empty text is a class; data.py can make it missing", self.label)
        if classes:
            self._look_at(self.label, pl.Series(self.label, list(classes), dtype=pl.String))

    def notes(self) -> list[str]:
        """A line for each oddity, with the columns that have it."""
        lines = []
        for text, names in self._notes.items():
            columns = f"column{'s'[: len(names) > 1]} {listing(map(repr, names), SHOWN)}: "
            lines.append(columns + text.replace("NAME", names[0]))
        return lines

    def _note(self, text: str, name: str) -> None:
        self._notes.setdefault(text, []).append(name)

    def _is_rounded(self, name: str, values: pl.Series) -> bool:
        """Note numbers that float32 cannot tell apart; true once that is noted."""
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
        self._note(
            f"{before:,} different values are {after:,} in float32, which models compute in "
            f"({wide[where]:.15g} is {there[where]:.15g}): subtract a number in data.py, or leave "
            "the column out",
            name,
        )
        return True

    def _look_at(self, name: str, values: pl.Series) -> bool:
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
                "from as different values; data.py can make one of them",
                name,
            )
        if len(different) > MANY:
            for what, look in LOOKS.items():
                if texts.str.strip_chars().str.contains(look).mean() >= MOST:  # type: ignore[operator]
                    self._note(f"{what} are learned from as texts; {ADVICE[what]}", name)
        return True


def _rules(
    name: str, dtype: pl.DataType, features: Mapping[str, Feature], label: str
) -> list[Rule]:
    """What no model takes of a column: the rules that `add` looks at."""
    feature, value = features.get(name), pl.col(name)
    if name == label:
        hint = "data.unlabelled: drop leaves such rows out"
    elif INDEX.fullmatch(name):  # a separator at the end of each line makes one, too
        hint = LEAVE_OUT
    elif feature and not feature.shape:
        hint = "declare it in data.columns with nullable: true, or fill it in data.py"
    else:
        hint = "every row needs one"
    missing, large = is_missing(value, dtype), value.fill_nan(None).abs() > LARGEST
    if feature and feature.shape:  # a number inside of the array
        flat, inside = value.reshape((-1, feature.size)), pl.element()
        is_float = feature.dtype.startswith("float")
        gone = inside.is_null() | inside.is_nan() if is_float else inside.is_null()
        missing = flat.arr.eval(gone).arr.any()
        large = flat.arr.eval(inside.fill_nan(None).abs() > LARGEST).arr.any() & ~missing
        dtype = pl.Float64() if is_float else pl.Int64()
    rules = [] if feature and feature.nullable else [Rule(name, MISSING, missing, hint)]
    if dtype.is_float() and (feature or name == label):
        way_out = "data.py can drop, cap or replace such values"
        rules.append(Rule(name, INFINITE, large, way_out))
    return [Rule(r.column, r.reason, r.broken.fill_null(value=False), r.hint) for r in rules]
