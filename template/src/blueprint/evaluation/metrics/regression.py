"""How good a regression is.

Throughout, `labels` and `predictions` are arrays (n,) of numbers, in the label's own unit.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

METRICS = {
    "rmse": "Root mean squared error",
    "mae": "Mean absolute error",
    "r2": "R² (share of the variance explained)",
}


def regression_metrics(labels: NDArray[Any], predictions: NDArray[Any]) -> dict[str, float]:
    """The metrics named in `METRICS`, each a float, from one set of predictions.

    All are NaN when `problem` finds one. R² is 0 for a model that always says the mean of these
    labels, and NaN where every label is the same, which leaves no variance to explain.
    """
    if problem(labels, predictions):
        return dict.fromkeys(METRICS, math.nan)
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    truth, said = labels.astype(np.float64), predictions.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # the square of a huge error is infinite
        values = {
            "rmse": float(root_mean_squared_error(truth, said)),
            "mae": float(mean_absolute_error(truth, said)),
            "r2": float(r2_score(truth, said)) if np.ptp(truth) > 0 else math.nan,
        }
    return {name: value if math.isfinite(value) else math.nan for name, value in values.items()}


def problem(labels: NDArray[Any], predictions: NDArray[Any]) -> str:
    """Why these predictions cannot be scored, in one line; empty when they can.

    Raises ValueError for arrays that do not belong together, which is a mistake in the code.
    """
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
