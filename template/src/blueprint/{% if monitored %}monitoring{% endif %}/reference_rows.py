"""What a model version knows of the rows that it was made of, so that monitoring needs no others.

`reference.json` in the version's folder sums up each feature and the predictions. Where drift is
measured, `reference.parquet` beside it holds the rows themselves: a fixed sample with a column
`input.<feature>` a feature as the model sees it, `prediction`, `label`, for classes `probability`
(of the predicted one), and `held_out`: whether the row is one that training has not seen. What a
model predicts is compared with those alone: it is surer of rows that it has learned.
"""

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..data.dataset import Dataset
from ..model import Model, ModelError, Signature
from .images import described

SUMMARY, SAMPLE = "reference.json", "reference.parquet"
INPUT = "input."  # before a feature's name in tables that have other columns as well
ROWS, PICTURES = 50_000, 5_000  # at most, of a table and of pictures
SEED = 0
CATEGORIES = 1_000  # more different texts are no categories, and are not listed
TENTHS = np.arange(1, 10) / 10


class NoReferenceError(ModelError):
    """A version without a reference, or with one that cannot be read."""


def write(directory: Path, train: Dataset, held_out: Dataset) -> None:
    """Write the reference of the exported model there; the same rows always give the same bytes."""
    model = Model(directory)
    rows = sample(model, train, held_out)
    if find_spec("blueprint.monitoring.drift"):
        rows.write_parquet(directory / SAMPLE)
    text = json.dumps(summarize(rows), indent=2, allow_nan=False)
    (directory / SUMMARY).write_text(text + "\n", encoding="utf-8")


def sample(model: Model, train: Dataset, held_out: Dataset) -> pl.DataFrame:
    """The rows of `reference.parquet`: of each of the two sets its share."""
    sets = (train, False), (held_out, True)
    arrays = any(tensor.shape for tensor in model.signature.inputs)
    total = train.schema.rows + held_out.schema.rows
    kept = min(1.0, (PICTURES if arrays else ROWS) / total)
    random, parts = np.random.default_rng(SEED), []
    for rows, unseen in sets:
        count = rows.schema.rows
        chosen = np.sort(random.choice(count, round(kept * count), replace=False))
        for features, labels in _chosen(rows, chosen):
            frame = as_frame(model.signature, features, model.predict(features))
            truth = _named(labels, rows.schema.classes)
            unseen_rows = pl.lit(unseen).alias("held_out")
            parts.append(frame.with_columns(truth.alias("label"), unseen_rows))
    return pl.concat(parts)


def as_frame(
    signature: Signature, inputs: dict[str, np.ndarray], outputs: np.ndarray
) -> pl.DataFrame:
    """Rows as a model saw them, with what it predicted: the columns of a reference and of the log.

    A missing value is null: in arrays it is NaN, or an empty text.
    """
    columns = []
    for name, values in described(inputs).items():
        series = pl.Series(f"{INPUT}{name}", values, dtype=_dtype(values))
        if series.dtype.is_float():
            series = series.fill_nan(None)
        elif series.dtype == pl.String:
            series = series.set(series == "", None)
        columns.append(series)
    if not signature.classes:
        return pl.DataFrame([*columns, pl.Series("prediction", outputs, dtype=pl.Float64)])
    best = outputs.argmax(axis=1)
    predicted = _named(best, signature.classes).alias("prediction")
    sure = pl.Series("probability", outputs.max(axis=1, initial=0), dtype=pl.Float64)
    return pl.DataFrame([*columns, predicted, sure])


def read(directory: Path) -> pl.DataFrame:
    """The sample in a version's folder. Raises `NoReferenceError` when it has none."""
    path = Path(directory) / SAMPLE
    try:
        return pl.read_parquet(path)
    except FileNotFoundError:
        text = "it was trained before drift_monitoring; `make run` makes one that has"
        raise NoReferenceError(f"the version has no {SAMPLE}: {text}") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise NoReferenceError(f"{path}: cannot be read ({error})") from None


def summarize(rows: pl.DataFrame) -> dict[str, Any]:
    """What `reference.json` holds, of rows as `sample` gives them."""
    inputs = [series for series in rows if series.name.startswith(INPUT)]
    return {
        "rows": len(rows),
        "held_out": int(rows["held_out"].sum()),
        "seed": SEED,
        "features": {series.name.removeprefix(INPUT): _summary(series) for series in inputs},
        "predictions": _predicted(rows["prediction"]),
    }


def _summary(series: pl.Series) -> dict[str, Any]:
    """Of numbers their range and deciles; of texts and booleans how often each one is there."""
    missing = series.null_count() / len(series) if len(series) else 0.0
    about = {"dtype": str(series.dtype).lower(), "rows": len(series), "missing": round(missing, 6)}
    values = series.drop_nulls()
    if not len(values):
        return about
    if series.dtype in (pl.String, pl.Boolean):
        counts = values.cast(pl.String).value_counts(sort=True)
        listed = dict(counts.sort("count", series.name, descending=[True, False]).iter_rows())
        return about | ({"categories": listed} if len(listed) <= CATEGORIES else {})
    deciles = np.quantile(values.to_numpy().astype(np.float64), TENTHS)
    ends = {"min": float(values.min()), "max": float(values.max())}  # type: ignore[arg-type]
    return about | ends | {"deciles": deciles.tolist()}


def _predicted(series: pl.Series) -> dict[str, Any]:
    if series.dtype == pl.String:
        return {"counts": dict(series.value_counts().sort("prediction").iter_rows())}
    return {"deciles": np.quantile(series.to_numpy(), TENTHS).tolist()}


def _chosen(
    rows: Dataset, chosen: np.ndarray
) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
    """The batches of the rows with these numbers, ascending."""
    begin = 0
    for features, labels in rows.batches():
        end = begin + len(labels)
        inside = chosen[np.searchsorted(chosen, begin) : np.searchsorted(chosen, end)] - begin
        if len(inside):
            yield {name: values[inside] for name, values in features.items()}, labels[inside]
        begin = end


def _named(values: np.ndarray, classes: tuple[str, ...]) -> pl.Series:
    """Classes by their names, of indices; a regression's numbers as they are."""
    if not classes:
        return pl.Series(values, dtype=pl.Float64)
    return pl.Series(classes, dtype=pl.String).gather(values)


def _dtype(values: np.ndarray) -> pl.DataType | None:
    return pl.String() if values.dtype == object else None
