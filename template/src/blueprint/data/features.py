"""What a data set stores of each column: features that a model can take, and the label."""

import re
from collections.abc import Collection, Mapping

import polars as pl

from . import DataError
from .dataset import Feature
from .rules import DTYPES, INFINITE, LARGEST, MISSING, Rule, inner_of, is_missing

NAMES = {dtype: name for name, dtype in DTYPES.items() if not dtype.is_temporal()}
IMAGES, REGRESSION = "image-classification", "tabular-regression"
INDEX = re.compile(r"Unnamed: \d+|__index_level_\d+__|")  # as pandas writes it
LEAVE_OUT = "leave it out in data.py, or by data.columns with data.extra_columns: drop"
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
        gaps = name in nullable
        dtype = _stored(schema[name], gaps)
        features[name] = _feature(name, dtype, gaps, task)
        value = pl.col(name).cast(dtype)
        if gaps and dtype.is_float():
            value = value.fill_nan(None).fill_null(float("nan"))  # NaN has many forms: one of them
        values.append(value.fill_null("") if gaps and dtype == pl.String else value)
    if task == IMAGES and not any(feature.shape for feature in features.values()):
        raise DataError(
            f"no column holds pictures (arrays of numbers), which data.task: {task} needs; "
            f"there are {', '.join(names)}"
        )
    return rows.with_columns(values), features


def _stored(dtype: pl.DataType, nullable: bool) -> pl.DataType:
    if isinstance(dtype, pl.Enum | pl.Categorical):
        return pl.String()
    if dtype == pl.Float16:
        return pl.Float32()
    if dtype.is_decimal() or (nullable and (dtype.is_integer() or dtype == pl.Boolean)):
        return pl.Float64()
    return dtype


def _feature(name: str, dtype: pl.DataType, nullable: bool, task: str) -> Feature:
    inner = inner_of(dtype)
    if isinstance(dtype, pl.Array) and inner.is_numeric() and inner in NAMES:
        if task != IMAGES:
            raise DataError(f"column {name!r}: an array, but data.task: {task} takes tables")
        if nullable:
            raise DataError(f"column {name!r}: an array is never missing: it is not nullable")
        return Feature(NAMES[inner], dtype.shape)
    if dtype in NAMES:
        return Feature(NAMES[dtype], (), nullable)
    if dtype.is_integer():  # of 128 bits
        raise DataError(
            f"column {name!r}: numbers beyond int64; data.columns.{name}: {{dtype: string}} or "
            "{dtype: float64} says what they are"
        )
    what = "a date or time" if dtype.is_temporal() else "no number, text or array of numbers"
    raise DataError(f"column {name!r}: {dtype} is {what}; data.py can make a number of it")


def prepare_label(
    rows: pl.LazyFrame, label: str, task: str
) -> tuple[pl.LazyFrame, tuple[str, ...]]:
    """The rows with their label as it is stored, and its classes, which may cost a reading.

    A label is an enumeration of the classes, or a float64 in a regression, which has no classes.
    Raises `DataError` for a label that the task cannot learn.
    """
    dtype = rows.collect_schema()[label]
    if task == REGRESSION:
        if not dtype.is_numeric():
            raise DataError(
                f"column {label!r}: {dtype} is no number, which data.task: {task} learns; declare "
                "its dtype in data.columns, or make a number of it in data.py"
            )
        return rows.with_columns(pl.col(label).cast(pl.Float64)), ()
    if isinstance(dtype, pl.Enum):
        return rows, tuple(dtype.categories)
    value = pl.col(label).fill_nan(None) if dtype.is_float() else pl.col(label)
    counts = rows.group_by(value).len().collect(engine="streaming").drop_nulls().sort(label)
    known, total = counts[label], counts["len"].sum()
    if dtype.is_float() and len(known) > max(MANY, total / 10) and (known % 1 != 0).any():
        raise DataError(
            f"column {label!r}: {len(known):,} different numbers with fractions in {total:,} rows "
            f"are no classes; data.task: {REGRESSION} learns numbers"
        )
    classes = tuple(known.cast(pl.String))
    return rows.with_columns(value.cast(pl.String).cast(pl.Enum(classes))), classes


def rules_of_model(
    schema: Mapping[str, pl.DataType], features: Mapping[str, Feature], label: str
) -> list[Rule]:
    """What no model takes of stored rows: a gap but in a nullable feature, an infinite number."""
    rules = []
    for name, dtype in schema.items():
        feature, value = features.get(name), pl.col(name)
        missing, large = is_missing(value, dtype), value.fill_nan(None).abs() > LARGEST
        is_float = dtype.is_float()
        if feature and feature.shape:  # a number inside of the array
            is_float = feature.dtype.startswith("float")
            flat, inside = value.reshape((-1, feature.size)), pl.element()
            gone = inside.is_null() | inside.is_nan() if is_float else inside.is_null()
            missing = flat.arr.eval(gone).arr.any()
            large = flat.arr.eval(inside.fill_nan(None).abs() > LARGEST).arr.any() & ~missing
        if not (feature and feature.nullable):
            hint = "every row needs one"
            if name == label:
                hint = "data.unlabelled: drop leaves such rows out"
            elif INDEX.fullmatch(name):  # a separator at the end of each line makes one, too
                hint = LEAVE_OUT
            elif feature and not feature.shape:
                hint = "declare it in data.columns with nullable: true, or fill it in data.py"
            rules.append(Rule(name, MISSING, missing.fill_null(value=False), hint))
        if is_float and (feature or name == label):
            hint = "data.py can drop, cap or replace such values"
            rules.append(Rule(name, INFINITE, large.fill_null(value=False), hint))
    return rules
