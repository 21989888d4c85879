"""Measure an exported model and the champion on the same test rows, decide, and keep the record."""

import math
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..data import Dataset
from ..export.record import Training
from ..gate import Evidence, Gate, decide
from ..model import Model
from ..registry.client import Registry
from . import evidence
from .comparison import bounds, compare
from .metrics import Predictions
from .record import Confusion, Evaluation
from .report import write_report

MOST_CLASSES = 50  # a larger confusion matrix is more than a page of KFP can show


def evaluate(
    model_path: str | Path,
    test_path: str | Path,
    train_path: str | Path,
    *,
    gate: Gate,
    registry: Registry,
    tags: Mapping[str, str],
    verdict_path: str | Path,
    report_path: str | Path,
) -> Evaluation:
    """Write the verdict (JSON) and the report (HTML), and record both in MLflow.

    Raises `ModelError` when the new model cannot be loaded; a champion that cannot be measured
    closes the gate instead.
    """
    model, training = Model(model_path), Training.read(model_path)
    test, train = Dataset(test_path), Dataset(train_path)
    predictions = evidence.predict(model, test)
    constant = evidence.predict_constant(train, predictions)
    rules, version = gate.champion, registry.champion()
    compared = (registry, model, test, predictions, rules)
    measured = Evidence(
        metrics=predictions.metrics(),
        rows=len(predictions.labels),
        overlapping=evidence.count_overlap(test, train),
        baseline=compare(rules.metric, predictions, constant, rules.confidence),
        champion=evidence.compare_champion(version, *compared) if version else None,
        latency_ms=evidence.measure_latency(model, test),
        size_mb=evidence.measure_size(Path(model_path)),
        slices=tuple(evidence.measure_slices(test, predictions, gate.slices)),
        errors=evidence.find_errors(model, training.data["hash"], test, train),
    )
    # Those that are quick to resample, and the one that is compared.
    likely = [m for m in measured.metrics if m in predictions.task.MEANS or m == rules.metric]
    intervals = {metric: bounds(metric, predictions, rules.confidence) for metric in likely}
    evaluation = Evaluation(
        **dict(decide(measured, gate)),
        metrics=dict(measured.metrics),
        confidence=rules.confidence,
        intervals={name: pair for name, pair in intervals.items() if math.isfinite(sum(pair))},
        baseline=constant.metrics(),
        champion=measured.champion,
        slices=list(measured.slices),
        latency_ms=measured.latency_ms,
        size_mb=measured.size_mb,
        confusion=_confusion(predictions),
        evaluated=datetime.now(UTC).isoformat(timespec="seconds"),
        facts={
            "data.source": test.schema.source,
            "data.test_rows": str(test.schema.rows),
            "data.test_hash": test.schema.content_hash,
            "data.train_hash": training.data["hash"],
            "model.sha256": model.signature.sha256,
            **tags,
        },
        roc=_roc(predictions),
    )
    evaluation.write(verdict_path)
    read_rows = partial(_read_rows, test)
    write_report(Path(report_path), registry.name, evaluation, predictions, training, read_rows)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(verdict_path, Path(folder, "verdict.json"))
        shutil.copyfile(report_path, Path(folder, "report.html"))
        verdict = "accepted" if evaluation.accepted else evaluation.reason
        evaluation.run_id = registry.log_run(
            tags.get("pipeline.run", registry.name),
            params=training.parameters | {"data.source": test.schema.source},
            metrics=evaluation.numbers(),
            curves=training.curves,
            tags=evaluation.facts | {"verdict": verdict},
            artifacts={"": Path(folder), "model": Path(model_path)},
        )
    return evaluation


def _confusion(predictions: Predictions) -> Confusion | None:
    labels, outputs, classes = predictions
    if not 0 < len(classes) <= MOST_CLASSES or predictions.problem:
        return None
    counts = predictions.task.confusion_matrix(labels, outputs)
    return Confusion(classes=list(classes), counts=counts.tolist())


def _roc(predictions: Predictions) -> Any:
    labels, outputs, classes = predictions
    if len(classes) != 2 or predictions.problem or len(np.unique(labels)) < 2:
        return None
    return predictions.task.roc_points(labels, outputs[:, 1])


def _read_rows(test: Dataset, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The features of the test rows with these numbers, in this order: (k, *shape) by name."""
    frame = pl.concat([test.scan().slice(int(row), 1).collect() for row in rows])
    return {name: frame[name].to_numpy() for name in test.schema.features}
