"""Measure an exported model and the champion on the same test rows, judge, and keep the record."""

import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .. import gate, settings
from ..data import Dataset
from ..model import Model, ModelError
from ..tracking import Registry, RegistryError, Version
from ..training import Training
from .metrics import Predictions, metrics_of
from .plots import write_picture
from .report import write_report


@dataclass(frozen=True)
class Evaluation:
    """What evaluate_model found: metrics by name, the verdict and the MLflow run of its record."""

    run_id: str
    metrics: dict[str, float]
    verdict: gate.Verdict

    def lines(self) -> list[str]:
        """What a person wants to know, a line each."""
        marks = {True: "✓", False: "✗"}
        metrics = [f"{name} {gate.number(value)}" for name, value in self.metrics.items()]
        return [
            *(" · ".join(metrics[i : i + 3]) for i in range(0, len(metrics), 3)),
            *(f"{marks[rule.passed]} {rule.rule}: {rule.detail}" for rule in self.verdict.rules),
            "accepted" if self.verdict.accepted else f"rejected: {self.verdict.reason}",
        ]


def evaluate(
    model_path: str | Path,
    test_path: str | Path,
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
    model, test, training = Model(model_path), Dataset(test_path), Training.read(model_path)
    predictions = _predict(model, test)
    metrics = metrics_of(predictions)
    version = registry.champion()
    champion = _measure(version, registry, model, test) if version else None
    verdict = gate.decide(
        metrics,
        rows=len(predictions.labels),
        floors=rules.floors,
        metric=rules.champion.metric,
        margin=rules.champion.margin,
        champion=champion,
    )
    facts = {
        "data.source": test.schema.source,
        "data.test_rows": str(test.schema.rows),
        "data.test_hash": test.schema.content_hash,
        "data.train_hash": training.data["hash"],
        "model.sha256": model.signature.sha256,
        **tags,
    }
    record = {
        **verdict.as_dict(),
        "metrics": _finite(metrics),
        "champion": champion
        and {"version": champion.version, "metrics": _finite(champion.metrics)},
        "facts": facts,
    }
    Path(verdict_path).write_text(json.dumps(record, indent=2) + "\n")
    write_report(
        Path(report_path),
        title=f"{registry.name}: evaluation",
        verdict=record,
        metrics=metrics,
        history=training.curves,
        facts=facts | {f"train.{name}": str(value) for name, value in training.parameters.items()},
        predictions=predictions,
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
            metrics=_finite(metrics),
            curves=training.curves,
            tags=facts | {"verdict": "accepted" if verdict.accepted else verdict.reason},
            artifacts={"": Path(directory), "model": Path(model_path)},
        )
    return Evaluation(run_id, metrics, verdict)


def _predict(model: Model, test: Dataset) -> Predictions:
    """What the model says of every test row; the features are read batch by batch."""
    signature = model.signature
    labels = [np.zeros(0, np.int64)]
    outputs = [np.zeros((0, *signature.output.shape), np.float32)]
    for features, batch_labels in test.batches():
        labels.append(batch_labels)
        outputs.append(model.predict(features))
    return Predictions(np.concatenate(labels), np.concatenate(outputs), signature.classes)


def _read_rows(test: Dataset, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """The features of the test rows with these numbers, in this order: (k, *shape) by name."""
    frame = pl.concat([test.scan().slice(int(row), 1).collect() for row in rows])
    return {name: frame[name].to_numpy() for name in test.schema.features}


def _measure(version: Version, registry: Registry, new: Model, test: Dataset) -> gate.Champion:
    try:
        with registry.model(version) as directory:
            old = Model(directory)
        was, now = old.signature, new.signature
        if (was.task, was.inputs, was.classes) != (now.task, now.inputs, now.classes):
            raise ModelError(
                "its task, inputs or classes are not those of the new model; "
                "a new registry.name in config/ starts afresh"
            )
        predictions = _predict(old, test)
    except (ModelError, RegistryError) as error:
        return gate.Champion(version.number, {}, error=str(error))
    return gate.Champion(version.number, metrics_of(predictions))


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that JSON and MLflow can hold."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}
