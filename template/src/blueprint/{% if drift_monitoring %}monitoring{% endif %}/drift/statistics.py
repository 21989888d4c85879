"""The only use of Evidently: two frames to a score a column, and labelled rows to metrics.

Its results are read by the type and the column that they name, never by their order.
"""

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import polars as pl

from ...errors import UserError
from ...model import summary

# Evidently's classes of metrics, by our names for what they measure.
QUALITY = {
    True: {"accuracy": "Accuracy", "macro_f1": "F1ByLabel"},
    False: {"mae": "MAE", "rmse": "RMSE", "r2": "R2Score"},
}


class Asked(NamedTuple):
    """A column that is in both frames: numbers as float64, or texts; gaps are null."""

    name: str
    number: bool
    method: str
    threshold: float


def load(module: str = "evidently") -> Any:
    """Evidently, or a module of it; the first import takes its time. Raises `UserError` where it is
    not installed."""
    os.environ.setdefault("DO_NOT_TRACK", "1")  # it would tell its makers that it ran
    try:
        return import_module(module)
    except ImportError as error:
        text = f"Evidently cannot be imported ({error}): `make drift` installs it, as does "
        raise UserError(f"{text}`uv sync --inexact --group monitoring`") from None


def scores(
    reference: pl.DataFrame,
    window: pl.DataFrame,
    asked: Sequence[Asked],
    page: Path | None = None,
) -> dict[str, float]:
    """The score of each column that was asked for, by its name; its own page to `page`."""
    evidently, drift = load(), load("evidently.metrics").ValueDrift
    columns = evidently.DataDefinition(
        numerical_columns=[each.name for each in asked if each.number],
        categorical_columns=[each.name for each in asked if not each.number],
    )
    names = [each.name for each in asked]
    metrics: list[Any] = [
        drift(column=each.name, method=each.method, threshold=each.threshold) for each in asked
    ]
    if page:
        metrics.append(load("evidently.presets").DataSummaryPreset())
    with _quiet():
        now, before = (
            evidently.Dataset.from_pandas(_pandas(rows, names), data_definition=columns)
            for rows in (window, reference)
        )
        snapshot = evidently.Report(metrics).run(current_data=now, reference_data=before)
        if page:
            snapshot.save_html(str(page))
    return {config["column"]: value for config, value in _results(snapshot, "ValueDrift")}


def quality(rows: pl.DataFrame) -> dict[str, float]:
    """Metrics of rows with `prediction` and `label`: of classes where these are texts.

    Evidently gets classes as their numbers: it sorts them a hundred times, and texts take ten
    times as long.
    """
    evidently, metrics = load(), load("evidently.metrics")
    names, classes = ["prediction", "label"], rows["label"].dtype == pl.String
    if classes:
        labels = pl.concat([rows[name] for name in names]).unique().sort()
        rows = rows.select(pl.col(names).cast(pl.Enum(labels)).to_physical().cast(pl.Int64))
        columns = {"categorical_columns": names, "classification": [_classes(len(labels))]}
    else:
        task = evidently.Regression(target="label", prediction="prediction")
        columns = {"numerical_columns": names, "regression": [task]}
    wanted = QUALITY[classes]
    with _quiet():
        definition = evidently.DataDefinition(**columns)
        dataset = evidently.Dataset.from_pandas(_pandas(rows, names), data_definition=definition)
        report = evidently.Report([getattr(metrics, name)() for name in wanted.values()])
        snapshot = report.run(current_data=dataset, reference_data=None)
    return {name: value for name, kind in wanted.items() for _, value in _results(snapshot, kind)}


def _classes(number: int) -> Any:
    """Evidently's task for so many classes: of two it must know which one is the positive."""
    evidently, pair = load(), {"target": "label", "prediction_labels": "prediction"}
    if number > 2:
        return evidently.MulticlassClassification(**pair)
    return evidently.BinaryClassification(**pair, pos_label=0)


def _results(snapshot: Any, kind: str) -> Iterator[tuple[Mapping[str, Any], float]]:
    """What was asked and the number for each metric of that class."""
    for metric in snapshot.dict()["metrics"]:
        if metric["config"]["type"].rpartition(":")[2] == kind:
            value = metric["value"]
            if isinstance(value, dict):  # of each class, or the mean of errors and their deviation
                value = fmean(value.values()) if kind == "F1ByLabel" else value["mean"]
            yield metric["config"], float(value)


def _pandas(frame: pl.DataFrame, names: Sequence[str]) -> Any:
    """The columns for Evidently, which knows pandas alone; `to_pandas` would need pyarrow."""
    columns = {
        name: frame[name].to_list() if frame[name].dtype == pl.String else frame[name].to_numpy()
        for name in names
    }
    return load("pandas").DataFrame(columns)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of pandas, NumPy and SciPy, about which nobody here can do anything; an
    error is one line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Exception as error:  # it raises whatever its libraries do
            raise UserError(f"Evidently cannot compare these rows: {summary(error)}") from error
