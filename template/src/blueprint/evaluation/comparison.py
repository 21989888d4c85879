"""Is a difference between two models more than chance? Both predict the same test rows.

Rows are drawn with replacement, as many as there are, again and again, the same ones for every
model: the paired bootstrap, Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter
13. The seed is fixed, so the same predictions give the same bounds.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..gate import LOWER_IS_BETTER, Gain
from .metrics import Predictions

SEED = 0
RESAMPLES = 2000  # of metrics that are a mean over rows
GROUPS = 10_000  # more rows are put into so many groups, which are drawn instead of rows
SLOW_RESAMPLES = 200  # of other metrics, which scikit-learn computes again each time
SLOW_ROWS = 5_000  # of more rows a part is drawn from: the bounds are wider, never narrower


def bounds(metric: str, predictions: Predictions, confidence: float) -> tuple[float, float]:
    """Where the metric lies: above the first number with `confidence`, below the second with it.

    NaN where the metric cannot be computed.
    """
    if not math.isfinite(predictions.metrics([metric])[metric]):
        return math.nan, math.nan
    return _bounds(_resample(metric, predictions)[:, 0], confidence)


def compare(metric: str, challenger: Predictions, other: Predictions, confidence: float) -> Gain:
    """How much better the challenger is, with its bounds; NaN where a metric is missing or NaN."""
    new, old = (each.metrics([metric])[metric] for each in (challenger, other))
    if not (math.isfinite(new) and math.isfinite(old)):
        return Gain(old, math.nan, math.nan, math.nan)
    sign = -1 if metric in LOWER_IS_BETTER else 1
    values = _resample(metric, challenger, other)
    low, high = _bounds(sign * (values[:, 0] - values[:, 1]), confidence)
    return Gain(old, sign * (new - old), low, high)


def _bounds(values: NDArray[Any], confidence: float) -> tuple[float, float]:
    low, high = np.quantile(values, (1 - confidence, confidence))
    return float(low), float(high)


def _resample(metric: str, *models: Predictions) -> NDArray[Any]:
    """The metric of each model in each resample, (resamples, models)."""
    random, means = np.random.default_rng(SEED), models[0].task.MEANS
    if metric not in means:
        return _resample_slowly(metric, models, random)
    of_row, from_mean = means[metric]
    sums = np.stack([of_row(model.labels, model.outputs) for model in models], axis=1)
    sizes = np.ones(len(sums))
    if len(sums) > GROUPS:
        group = random.permutation(len(sums)) % GROUPS
        sums = np.stack([np.bincount(group, column) for column in sums.T], axis=1)
        sizes = np.bincount(group).astype(np.float64)
    values = np.empty((RESAMPLES, len(models)))
    for resample in range(RESAMPLES):
        times = np.bincount(random.integers(0, len(sums), len(sums)), minlength=len(sums))
        values[resample] = times @ sums / (times @ sizes)
    return np.asarray(from_mean(values))


def _resample_slowly(
    metric: str, models: tuple[Predictions, ...], random: np.random.Generator
) -> NDArray[Any]:
    """Each class keeps its number of rows: no resample lacks a rare one, which has no metric."""
    from sklearn import config_context

    labels = models[0].labels
    groups = labels if models[0].classes else np.zeros(len(labels), np.int64)
    share = min(1.0, SLOW_ROWS / len(labels))
    strata = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    strata = [random.choice(rows, math.ceil(share * len(rows)), replace=False) for rows in strata]
    values = np.empty((SLOW_RESAMPLES, len(models)))
    with config_context(assume_finite=True, skip_parameter_validation=True):
        for resample in values:
            drawn = np.concatenate([random.choice(rows, len(rows)) for rows in strata])
            for place, model in enumerate(models):
                part = model._replace(labels=labels[drawn], outputs=model.outputs[drawn])
                resample[place] = part.metrics([metric])[metric]
    return values
