"""Measure an exported model and the champion on the same test rows, judge, and keep the record."""

import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import gate, settings
from ..data import Dataset
from ..model import Model, ModelError
from ..tracking import Registry, RegistryError, Version
from ..training import Training
from .metrics import classification_metrics
from .plots import write_confusion_png
from .report import write_report

MAX_PIXELS = 64 * 2**20  # of test images that the report reads to show the mistakes


@dataclass(frozen=True)
class Evaluation:
    """What evaluate_model found: metrics by name, the verdict and the MLflow run of its record."""

    run_id: str
    metrics: dict[str, float]
    verdict: gate.Verdict

    def lines(self) -> list[str]:
        """What a person wants to know, a line each."""
        marks = {True: "✓", False: "✗"}
        metrics = [f"{name} {value:.4f}" for name, value in self.metrics.items()]
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
    labels, probabilities = _predict(model, test)
    metrics = classification_metrics(labels, probabilities)
    version = registry.champion()
    champion = _measure(version, registry, model, test) if version else None
    verdict = gate.decide(
        metrics,
        rows=len(labels),
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
        champion_metrics=dict(champion.metrics) if champion and champion.metrics else None,
        history=training.curves,
        labels=labels,
        probabilities=probabilities,
        classes=list(model.signature.classes),
        images=_images(test),
        facts=facts | {f"train.{name}": str(value) for name, value in training.parameters.items()},
    )
    with tempfile.TemporaryDirectory() as directory:
        matrix = Path(directory) / "confusion_matrix.png"
        write_confusion_png(matrix, labels, probabilities, list(model.signature.classes))
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


def _predict(model: Model, test: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) and probabilities (n, classes) of the test rows."""
    labels = [np.zeros(0, np.int64)]
    probabilities = [np.zeros((0, len(model.signature.classes)), np.float32)]
    for features, batch_labels in test.batches():
        labels.append(batch_labels)
        probabilities.append(model.predict(features))
    return np.concatenate(labels), np.concatenate(probabilities)


def _images(test: Dataset) -> np.ndarray | None:
    """The test images, for pictures of mistakes; none where there are none or too many."""
    image = test.schema.features.get("image")
    if image is None or test.schema.rows * math.prod(image.shape) > MAX_PIXELS:
        return None
    return test.arrays()[0]["image"]


def _measure(version: Version, registry: Registry, new: Model, test: Dataset) -> gate.Champion:
    try:
        with registry.model(version) as directory:
            old = Model(directory)
        was, now = old.signature, new.signature
        if (was.inputs, was.classes) != (now.inputs, now.classes):
            raise ModelError("its inputs or classes are not those of the new model")
        labels, probabilities = _predict(old, test)
    except (ModelError, RegistryError) as error:
        return gate.Champion(version.number, {}, error=str(error))
    return gate.Champion(version.number, classification_metrics(labels, probabilities))


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that JSON and MLflow can hold."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}
