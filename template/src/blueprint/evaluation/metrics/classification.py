"""How good a classifier is.

Throughout, `labels` is an integer array (n,) of class indices and `probabilities` a float array
(n, classes).
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

CURVE_POINTS = 200
BINS = 15  # of equal width, as in Guo et al.

METRICS = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "roc_auc": "ROC AUC (one-vs-rest)",
    "log_loss": "Log loss",
    "calibration_error": "Calibration error",
}


def classification_metrics(labels: NDArray[Any], probabilities: NDArray[Any]) -> dict[str, float]:
    """The metrics named in `METRICS`, each a float, from one set of predictions.

    All are NaN when `problem` finds one. Macro F1 and ROC AUC average over the classes and are
    NaN when a class has no row here. The calibration error is the expected calibration error of
    Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3, with 15 bins.
    """
    if problem(labels, probabilities):
        return dict.fromkeys(METRICS, math.nan)
    return {name: function(labels, probabilities) for name, function in _FUNCTIONS.items()}


def classification_metric(name: str, labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    """One metric of `METRICS`, as `classification_metrics` has it."""
    if problem(labels, probabilities):
        return math.nan
    return _FUNCTIONS[name](labels, probabilities)


def problem(labels: NDArray[Any], probabilities: NDArray[Any]) -> str:
    """Why these predictions cannot be scored, in one line; empty when they can.

    Raises ValueError for arrays that do not belong together, which is a mistake in the code.
    """
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


def confusion_matrix(labels: NDArray[Any], probabilities: NDArray[Any]) -> NDArray[np.int64]:
    """Counts (classes, classes): row = true class, column = most probable class."""
    classes = probabilities.shape[1]
    cells = labels.astype(np.int64) * classes + probabilities.argmax(axis=1)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def roc_points(
    labels: NDArray[Any], scores: NDArray[Any]
) -> tuple[list[float], list[float], list[float]]:
    """False and true positive rates by threshold, from 1 down, at most `CURVE_POINTS` of them.

    `labels` (n,) are 0 or 1, `scores` (n,) the probabilities of 1. Both classes have rows.
    """
    from sklearn.metrics import roc_curve

    false, true, thresholds = roc_curve(labels, scores)
    # The first threshold, which no row reaches, is infinite; JSON has no such number.
    return _thin(false), _thin(true), _thin(np.minimum(thresholds, 1))


def precision_recall_points(
    labels: NDArray[Any], scores: NDArray[Any]
) -> tuple[list[float], list[float]]:
    """Recall and precision by threshold; arguments and points as in `roc_points`."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(labels, scores)
    return _thin(recall), _thin(precision)


def _thin(values: NDArray[Any]) -> list[float]:
    shown = np.unique(np.linspace(0, len(values) - 1, CURVE_POINTS).round().astype(int))
    return [float(value) for value in values[shown]]


class ClassScores(NamedTuple):
    """Precision, recall and F1 of each class, (classes,) each; NaN where nothing is counted."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]


def class_scores(matrix: NDArray[np.int64]) -> ClassScores:
    """The scores of each class, from a confusion matrix."""
    hits, predicted, actual = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    return ClassScores(
        _ratio(hits, predicted), _ratio(hits, actual), _ratio(2 * hits, predicted + actual)
    )


class Reliability(NamedTuple):
    """Predictions grouped by the probability of their most probable class, (bins,) each.

    `confidence` and `accuracy` are means, NaN in an empty bin; `rows` counts.
    """

    edges: NDArray[np.float64]  # (bins + 1,)
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    rows: NDArray[np.int64]


def reliability(labels: NDArray[Any], probabilities: NDArray[Any]) -> Reliability:
    """How often the model is right when it is so sure: bins (a, b] of equal width."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, BINS + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    rows = np.bincount(place, minlength=BINS)
    return Reliability(
        edges,
        _ratio(np.bincount(place, weights=confidence, minlength=BINS), rows),
        _ratio(np.bincount(place, weights=correct, minlength=BINS), rows),
        rows,
    )


def _accuracy(labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(labels, probabilities.argmax(axis=1)))


def _macro_f1(labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    from sklearn.metrics import f1_score

    if not _complete(labels, probabilities):
        return math.nan
    return float(f1_score(labels, probabilities.argmax(axis=1), average="macro"))


def _roc_auc(labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    from sklearn.metrics import roc_auc_score

    if not _complete(labels, probabilities):
        return math.nan
    classes = range(probabilities.shape[1])
    return float(np.mean([roc_auc_score(labels == k, probabilities[:, k]) for k in classes]))


def _log_loss(labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    from sklearn.metrics import log_loss

    return float(log_loss(labels, probabilities, labels=list(range(probabilities.shape[1]))))


def _complete(labels: NDArray[Any], probabilities: NDArray[Any]) -> bool:
    return bool(np.isin(range(probabilities.shape[1]), labels).all())


def _calibration_error(labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    bins = reliability(labels, probabilities)
    gaps = np.abs(bins.accuracy - bins.confidence)
    return float(np.nansum(gaps * bins.rows) / bins.rows.sum())


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    result = np.full(len(whole), math.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result


_FUNCTIONS = {
    "accuracy": _accuracy,
    "macro_f1": _macro_f1,
    "roc_auc": _roc_auc,
    "log_loss": _log_loss,
    "calibration_error": _calibration_error,
}
