"""Numbers that say how good a model is. Plain arrays in, plain floats out.

What cannot be computed is NaN, never an invented number: the gate rejects NaN.
"""

import math
from typing import Any, NamedTuple

from numpy.typing import NDArray

from . import classification, regression
from .metric import Metric

__all__ = ["METRICS", "Metric", "Predictions", "metric_of", "metrics_of", "problem"]

METRICS = classification.METRICS | regression.METRICS


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


def problem(predictions: Predictions) -> str:
    """Why these predictions cannot be scored, in one line; empty when they can.

    Raises ValueError for arrays that do not belong together, which is a mistake in the code.
    """
    labels, outputs, classes = predictions
    if classes:
        return classification.problem(labels, outputs)
    return regression.problem(labels, outputs)
