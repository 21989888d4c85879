"""Numbers that say how good a model is. Plain arrays in, plain floats out.

What cannot be computed is NaN, never an invented number: the gate rejects NaN.
"""

import math
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ...gate import LOWER_IS_BETTER
from . import classification, regression

__all__ = [
    "METRICS",
    "Predictions",
    "higher_is_better",
    "metric_of",
    "metrics_of",
    "problem",
    "title_of",
]

METRICS = classification.METRICS | regression.METRICS  # titles by name


class Predictions(NamedTuple):
    """What a model said of n rows, beside the truth.

    With `classes`, `labels` (n,) are indices into them and `outputs` (n, classes) probabilities.
    A regression has no classes: both are numbers (n,).
    """

    labels: NDArray[Any]
    outputs: NDArray[Any]
    classes: tuple[str, ...]


def metrics_of(predictions: Predictions) -> dict[str, float]:
    """The metrics of the model's kind by their names in `METRICS`; all are NaN with a `problem`."""
    labels, outputs, classes = predictions
    if classes:
        return classification.classification_metrics(labels, outputs)
    return regression.regression_metrics(labels, outputs)


def metric_of(name: str, predictions: Predictions) -> float:
    """One of `metrics_of`; NaN for a metric that the model's kind does not have."""
    labels, outputs, classes = predictions
    if not classes:
        return regression.regression_metrics(labels, outputs).get(name, math.nan)
    if name not in classification.METRICS:
        return math.nan
    return classification.classification_metric(name, labels, outputs)


def title_of(name: str) -> str:
    """What a report calls a metric or a quantity that was watched in training."""
    return METRICS.get(name) or (name[:1].upper() + name[1:]).replace("_", " ")


def higher_is_better(name: str) -> bool:
    """The metric's direction, which the gate knows."""
    return name not in LOWER_IS_BETTER


def problem(predictions: Predictions) -> str:
    """Why these predictions cannot be scored, in one line; empty when they can.

    Raises ValueError for arrays that do not belong together, which is a mistake in the code.
    """
    labels, outputs, classes = predictions
    if classes:
        return classification.problem(labels, outputs)
    return regression.problem(labels, outputs)
