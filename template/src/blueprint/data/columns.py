"""What a data set stores of each column: features that a model can take, and the label."""

from collections.abc import Collection

import polars as pl

from .dataset import DataError, Feature
from .rules import DTYPES

NAMES = {kind: name for name, kind in DTYPES.items() if not kind.is_temporal()}
IMAGES, REGRESSION = "image-classification", "tabular-regression"
MANY = 20  # different values: more are no categories, if they look like numbers


def prepare_features(
    rows: pl.LazyFrame, names: Collection[str], nullable: Collection[str], task: str
) -> tuple[pl.LazyFrame, dict[str, Feature]]:
    """The rows with the columns `names` as they are stored, gaps filled, and what they are.

    Raises `DataError` for a column that no model of the task takes.
    """
    if not names:
        raise DataError("no column is left to learn from beside the label")
    schema = rows.collect_schema()
    features, values = {}, []
    for name in names:
        kind, gaps = _stored(schema[name], name in nullable), name in nullable
        features[name] = _feature(name, kind, gaps, task)
        value = pl.col(name).cast(kind)
        if gaps and kind.is_float():
            value = value.fill_nan(None).fill_null(float("nan"))  # NaN has many forms: one of them
        values.append(value.fill_null("") if gaps and kind == pl.String else value)
    if task == IMAGES and not any(feature.shape for feature in features.values()):
        raise DataError(
            f"no column holds pictures (arrays of numbers), which data.task: {task} needs; "
            f"there are {', '.join(names)}"
        )
    return rows.with_columns(values), features


def _stored(kind: pl.DataType, nullable: bool) -> pl.DataType:
    if isinstance(kind, pl.Enum | pl.Categorical):
        return pl.String()
    if kind == pl.Float16:
        return pl.Float32()
    if kind.is_decimal() or (nullable and (kind.is_integer() or kind == pl.Boolean)):
        return pl.Float64()
    return kind


def _feature(name: str, kind: pl.DataType, nullable: bool, task: str) -> Feature:
    if isinstance(kind, pl.Array):
        inner: pl.DataType = kind
        while isinstance(inner, pl.Array):
            inner = inner.inner  # type: ignore[assignment]
        if inner.is_numeric() and inner in NAMES:
            if task != IMAGES:
                raise DataError(f"column {name!r}: an array, but data.task: {task} takes tables")
            if nullable:
                raise DataError(f"column {name!r}: an array is never missing: it is not nullable")
            return Feature(NAMES[inner], kind.shape)
    if kind in NAMES:
        return Feature(NAMES[kind], (), nullable)
    if kind.is_integer():  # of 128 bits
        raise DataError(
            f"column {name!r}: numbers beyond int64; data.columns.{name}: {{dtype: string}} or "
            "{dtype: float64} says what they are"
        )
    what = "a date or time" if kind.is_temporal() else "no number, text or array of numbers"
    raise DataError(f"column {name!r}: {kind} is {what}; steps/data.py can make a number of it")


def check_label(kind: pl.DataType, label: str, task: str) -> None:
    """Raise `DataError` for a label that a regression cannot learn."""
    if task == REGRESSION and not kind.is_numeric():
        raise DataError(
            f"column {label!r}: {kind} is no number, which data.task: {task} learns; declare its "
            "dtype in data.columns, or make a number of it in steps/data.py"
        )


def prepare_label(
    rows: pl.LazyFrame, label: str, task: str
) -> tuple[pl.LazyFrame, tuple[str, ...]]:
    """The rows with their label as it is stored, and its classes, which may cost a reading.

    A label is an enumeration of the classes, or a float64 in a regression, which has no classes.
    Raises `DataError` for numbers that are hardly classes.
    """
    kind = rows.collect_schema()[label]
    if task == REGRESSION:
        return rows.with_columns(pl.col(label).cast(pl.Float64)), ()
    if isinstance(kind, pl.Enum):
        return rows, tuple(kind.categories)
    value = pl.col(label).fill_nan(None) if kind.is_float() else pl.col(label)
    counts = rows.group_by(value).len().collect(engine="streaming").drop_nulls().sort(label)
    known, total = counts[label], counts["len"].sum()
    if kind.is_float() and len(known) > max(MANY, total / 10) and (known % 1 != 0).any():
        raise DataError(
            f"column {label!r}: {len(known):,} different numbers with fractions in {total:,} rows "
            f"are no classes; data.task: {REGRESSION} learns numbers"
        )
    classes = tuple(known.cast(pl.String))
    return rows.with_columns(value.cast(pl.String).cast(pl.Enum(classes))), classes
