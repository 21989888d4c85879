"""How good a classifier is: `labels` (n,) are class indices, `probabilities` (n, classes)."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...gate import McNemar

BINS = 15  # of equal width, as in Guo et al.
POINTS = 100  # of a curve
Array = NDArray[Any]


def problem(labels: Array, probabilities: Array) -> str:
    """Why these predictions cannot be scored; empty when they can."""
    if labels.ndim != 1 or probabilities.ndim != 2 or len(labels) != len(probabilities):
        raise ValueError(
            "expected labels (n,) and probabilities (n, classes), "
            f"got {labels.shape} and {probabilities.shape}"
        )
    rows, classes = probabilities.shape
    if rows == 0:
        return "the test set is empty"
    if classes < 2:
        return "the model knows fewer than two classes"
    if wrong := rows - int(np.isfinite(probabilities).all(axis=1).sum()):
        return f"{wrong} of {rows} rows have a probability that is not a finite number"
    if labels.min() < 0 or labels.max() >= classes:
        return f"a label is outside the {classes} classes that the model knows"
    if probabilities.min() < 0 or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
        return "the model's outputs are not probabilities: negative, or a row does not add up to 1"
    return ""


def confusion_matrix(labels: Array, probabilities: Array) -> Array:
    """Counts (classes, classes): row = true class, column = most probable class."""
    from sklearn.metrics import confusion_matrix as count

    classes = range(probabilities.shape[1])
    return np.asarray(count(labels, probabilities.argmax(axis=1), labels=classes))


def roc_points(labels: Array, scores: Array) -> tuple[list[float], list[float], list[float]]:
    """False and true positive rates by threshold, from 1 down; `labels` (n,) are 0 or 1."""
    from sklearn.metrics import roc_curve

    false, true, thresholds = roc_curve(labels, scores)
    # The first threshold, which no row reaches, is infinite; JSON has no such number.
    return thin(false), thin(true), thin(np.minimum(thresholds, 1))


def thin(values: Array) -> list[float]:
    """At most `POINTS` of the values of a curve."""
    shown = np.unique(np.linspace(0, len(values) - 1, POINTS).round().astype(int))
    return [float(value) for value in values[shown]]


class Reliability(NamedTuple):
    """Predictions grouped by the probability of their most probable class, (bins,) each.

    `confidence` and `accuracy` are means, NaN in an empty bin; `rows` counts.
    """

    edges: Array  # (bins + 1,)
    confidence: Array
    accuracy: Array
    rows: Array


def reliability(labels: Array, probabilities: Array) -> Reliability:
    """How often the model is right when it is so sure: bins (a, b] of equal width."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    edges = np.linspace(0, 1, BINS + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    rows = np.bincount(place, minlength=BINS)
    with np.errstate(invalid="ignore"):  # an empty bin
        sure = np.bincount(place, confidence, BINS) / rows
        right = np.bincount(place, hits(labels, probabilities), BINS) / rows
    return Reliability(edges, sure, right, rows)


def hits(labels: Array, probabilities: Array) -> Array:
    """1 for each row (n,) whose most probable class is the true one, else 0."""
    return np.asarray(probabilities.argmax(axis=1) == labels, np.float64)


def mcnemar(labels: Array, challenger: Array, champion: Array) -> McNemar:
    """McNemar's exact test, one-sided: are there more losses than equal models would show?

    McNemar 1947, doi:10.1007/BF02295996. The models' probabilities are of the same rows.
    """
    from scipy.stats import binomtest

    change = hits(labels, challenger) - hits(labels, champion)
    gained, lost = int((change > 0).sum()), int((change < 0).sum())
    p = binomtest(lost, gained + lost, alternative="greater").pvalue if gained + lost else 1.0
    return McNemar(gained, lost, float(p))


def _surprise(labels: Array, probabilities: Array) -> Array:
    """Minus the logarithm of what each row's class was given, bounded as scikit-learn bounds it."""
    given, least = probabilities[np.arange(len(labels)), labels], np.finfo(np.float32).eps
    return np.asarray(-np.log(np.clip(given.astype(np.float64), least, 1 - least)))


def _macro_f1(labels: Array, probabilities: Array) -> float:
    from sklearn.metrics import f1_score

    predicted = probabilities.argmax(axis=1)
    return f1_score(labels, predicted, average="macro") if _all(labels, probabilities) else math.nan


def _roc_auc(labels: Array, probabilities: Array) -> float:
    from sklearn.metrics import roc_auc_score

    if not _all(labels, probabilities):
        return math.nan
    columns = enumerate(probabilities.T)
    return float(np.mean([roc_auc_score(labels == k, column) for k, column in columns]))


def _all(labels: Array, probabilities: Array) -> bool:
    """Whether every class has a row: an average over the classes needs them all."""
    return bool(np.isin(range(probabilities.shape[1]), labels).all())


def _calibration_error(labels: Array, probabilities: Array) -> float:
    """Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3."""
    bins = reliability(labels, probabilities)
    return float(np.nansum(np.abs(bins.accuracy - bins.confidence) * bins.rows) / len(labels))


# Metrics that follow from the mean of one number a row: that number, and how they follow.
MEANS = {"accuracy": (hits, np.asarray), "log_loss": (_surprise, np.asarray)}
FUNCTIONS = {
    "accuracy": lambda labels, probabilities: hits(labels, probabilities).mean(),
    "macro_f1": _macro_f1,
    "roc_auc": _roc_auc,
    "log_loss": lambda labels, probabilities: _surprise(labels, probabilities).mean(),
    "calibration_error": _calibration_error,
}
