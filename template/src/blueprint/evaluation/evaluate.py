"""Measure an exported model and the champion on the same test rows, judge, and keep the record."""

import json
import math
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .. import gate
from ..data import Dataset
from ..export.record import Training
from ..model import Model
from ..registry.client import Registry
from . import evidence, settings
from .comparison import MEANS, bounds, compare
from .metrics import Predictions, metrics_of, problem
from .metrics.classification import confusion_matrix, roc_points
from .overlap import count_overlap
from .record import Record
from .report import write_picture, write_report

SHOWN_CLASSES = 50  # a larger confusion matrix is more than a page of KFP can show


@dataclass(frozen=True)
class Evaluation:
    """What evaluate_model found: metrics by name, the verdict and the MLflow run of its record."""

    run_id: str
    metrics: dict[str, float]
    verdict: gate.Verdict
    predictions: Predictions

    def lines(self) -> list[str]:
        """What a person wants to know, a line each; slices that passed are one line together."""
        metrics = [f"{name} {gate.number(value)}" for name, value in self.metrics.items()]
        passed = [r for r in self.verdict.rules if r.passed and r.name.startswith("slice/")]
        rules = [rule for rule in self.verdict.rules if rule not in passed]
        width = max(len(rule.rule) for rule in rules)
        return [
            *(" · ".join(metrics[i : i + 3]) for i in range(0, len(metrics), 3)),
            *(f"{'✓' if r.passed else '✗'} {r.rule:<{width}}  {r.detail}" for r in rules),
            *([f"✓ {len(passed)} floors of slices"] if passed else []),
            "accepted" if self.verdict.accepted else f"rejected: {self.verdict.reason}",
        ]

    def numbers(self) -> dict[str, float]:
        """The metrics, and the numbers of each rule as `gate/<rule>/<number>`; finite ones only."""
        return _finite(self.metrics) | _gate_numbers(self.verdict)

    def confusion(self) -> tuple[list[str], list[list[int]]] | None:
        """Classes, and the counts: row = true class; None where there are none, or many classes."""
        labels, outputs, classes = self.predictions
        if not 0 < len(classes) <= SHOWN_CLASSES or problem(self.predictions):
            return None
        return list(classes), confusion_matrix(labels, outputs).tolist()

    def roc(self) -> tuple[list[float], list[float], list[float]] | None:
        """False and true positive rates by threshold of the second class, if there are two."""
        labels, outputs, classes = self.predictions
        if len(classes) != 2 or problem(self.predictions) or len(np.unique(labels)) < 2:
            return None
        return roc_points(labels, outputs[:, 1])


def evaluate(
    model_path: str | Path,
    test_path: str | Path,
    train_path: str | Path,
    *,
    rules: settings.Gate,
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
    version = registry.champion()
    champion = evidence.predict_champion(version, registry, model, test) if version else None
    asked = _rules(rules)
    found = gate.Evidence(
        metrics=metrics_of(predictions),
        rows=len(predictions.labels),
        overlapping=count_overlap(test, train),
        baseline=compare(asked.metric, predictions, constant, asked.confidence),
        champion=champion and evidence.compare_champion(champion, predictions, asked),
        latency_ms=evidence.measure_latency(model, test),
        size_mb=evidence.measure_size(Path(model_path)),
        slices=tuple(evidence.measure_slices(test, predictions, rules.slices)),
        errors=evidence.find_errors(model, training.data["hash"], test, train),
    )
    verdict = gate.decide(found, asked)
    facts = {
        "data.source": test.schema.source,
        "data.test_rows": str(test.schema.rows),
        "data.test_hash": test.schema.content_hash,
        "data.train_hash": training.data["hash"],
        "model.sha256": model.signature.sha256,
        **tags,
    }
    record: Record = {
        "accepted": verdict.accepted,
        "reason": verdict.reason,
        "rules": verdict.as_dict()["rules"],
        "metrics": {name: _or_none(value) for name, value in found.metrics.items()},
        "confidence": asked.confidence,
        "intervals": _intervals(predictions, found.metrics, asked),
        "baseline": _finite(metrics_of(constant)),
        "champion": {"version": champion.version, "metrics": _finite(champion.metrics())}
        if champion
        else None,
        "slices": [
            {"name": part.name, "rows": part.rows, "metrics": _finite(part.metrics)}
            for part in found.slices
        ],
        "latency_ms": _or_none(found.latency_ms),
        "size_mb": found.size_mb,
        "evaluated": datetime.now(UTC).isoformat(timespec="seconds"),
        "facts": facts,
    }
    Path(verdict_path).write_text(json.dumps(record, indent=2, allow_nan=False) + "\n")
    write_report(
        Path(report_path),
        registry.name,
        record,
        predictions=predictions,
        training=training,
        read_rows=lambda rows: _read_rows(test, rows),
    )
    with tempfile.TemporaryDirectory() as directory:
        write_picture(Path(directory), predictions)
        files = {"verdict.json": Path(verdict_path), "report.html": Path(report_path)}
        for name, path in files.items():
            (Path(directory) / name).write_bytes(path.read_bytes())
        run_id = registry.log_run(
            tags.get("pipeline.run", registry.name),
            params=training.parameters | {"data.source": test.schema.source},
            metrics=_finite(found.metrics) | _gate_numbers(verdict),
            curves=training.curves,
            tags=facts | {"verdict": "accepted" if verdict.accepted else verdict.reason},
            artifacts={"": Path(directory), "model": Path(model_path)},
        )
    return Evaluation(run_id, dict(found.metrics), verdict, predictions)


def _rules(asked: settings.Gate) -> gate.Rules:
    """The section `gate` of the configuration as the gate takes it."""
    return gate.Rules(
        metric=asked.champion.metric,
        margin=asked.champion.margin,
        confidence=asked.champion.confidence,
        floors=asked.floors,
        baseline=asked.baseline,
        overlap=asked.overlap,
        slice_floors=asked.slices.floors,
        slice_rows=asked.slices.min_rows,
        latency_ms=asked.budgets.latency_ms,
        size_mb=asked.budgets.size_mb,
    )


def _intervals(
    predictions: Predictions, metrics: Iterable[str], rules: gate.Rules
) -> dict[str, tuple[float, float]]:
    """Where metrics lie: those that are quick to resample, and the one that is compared."""
    found = {
        name: bounds(name, predictions, rules.confidence)
        for name in metrics
        if name in MEANS or name == rules.metric
    }
    return {name: pair for name, pair in found.items() if math.isfinite(sum(pair))}


def _gate_numbers(verdict: gate.Verdict) -> dict[str, float]:
    """The finite numbers of each rule as `gate/<rule>/<number>`: metrics for MLflow and KFP."""
    return _finite(
        {
            re.sub(r"[^\w./ -]", "_", f"gate/{rule.name}/{name}"): value
            for rule in verdict.rules
            for name, value in rule.numbers.items()
        }
    )


def _read_rows(test: Dataset, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """The features of the test rows with these numbers, in this order: (k, *shape) by name."""
    frame = pl.concat([test.scan().slice(int(row), 1).collect() for row in rows])
    return {name: frame[name].to_numpy() for name in test.schema.features}


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that JSON and MLflow can hold."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}
