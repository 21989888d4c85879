"""How good a regression is: `labels` and `predictions` are arrays (n,), in the label's own unit."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def problem(labels: Array, predictions: Array) -> str:
    """Why these predictions cannot be scored; empty when they can."""
    if labels.ndim != 1 or labels.shape != predictions.shape:
        raise ValueError(
            f"expected labels (n,) and predictions (n,), got {labels.shape} and {predictions.shape}"
        )
    rows = len(labels)
    if rows == 0:
        return "the test set is empty"
    for name, values in (("prediction", predictions), ("label", labels)):
        if wrong := rows - int(np.isfinite(values).sum()):
            return f"{wrong} of {rows} rows have a {name} that is not a finite number"
    return ""


def _errors(labels: Array, predictions: Array) -> Array:
    return np.abs(predictions.astype(np.float64) - labels)


def _squares(labels: Array, predictions: Array) -> Array:
    with np.errstate(over="ignore"):  # the square of a huge error is infinite: no number
        return np.asarray(_errors(labels, predictions) ** 2)


def _r2(labels: Array, predictions: Array) -> float:
    """0 for the mean of these labels; NaN where all are equal: no variance is to be explained."""
    from sklearn.metrics import r2_score

    if np.ptp(labels) == 0:
        return math.nan
    with np.errstate(over="ignore", invalid="ignore"):
        return float(r2_score(labels.astype(np.float64), predictions.astype(np.float64)))


# Metrics that follow from the mean of one number a row: that number, and how they follow.
MEANS = {"rmse": (_squares, np.sqrt), "mae": (_errors, np.asarray)}
FUNCTIONS = {
    "rmse": lambda labels, predictions: np.sqrt(_squares(labels, predictions).mean()),
    "mae": lambda labels, predictions: _errors(labels, predictions).mean(),
    "r2": _r2,
}
