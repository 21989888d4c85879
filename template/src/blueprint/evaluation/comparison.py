"""Is a difference between two models more than chance? Both predict the same test rows.

Rows are drawn with replacement, as many as there are, again and again, the same ones for every
model: the paired bootstrap, Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter
13. The seed is fixed, so the same predictions give the same bounds.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..gate import LOWER_IS_BETTER, Gain, McNemar
from .metrics import Predictions, metric_of

SEED = 0
RESAMPLES = 2000  # of metrics that are a mean over rows
GROUPS = 10_000  # more rows are put into so many groups, which are drawn instead of rows
SLOW_RESAMPLES = 200  # of other metrics, which scikit-learn computes anew each time
SLOW_ROWS = 5_000  # of more rows a part is drawn from: the bounds are wider, never narrower

Values = NDArray[np.float64]


def _hits(predictions: Predictions) -> Values:
    return np.asarray(predictions.outputs.argmax(axis=1) == predictions.labels, np.float64)


def _surprise(predictions: Predictions) -> Values:
    """Minus the logarithm of what each row's class was given, bounded as scikit-learn bounds it."""
    rows = np.arange(len(predictions.labels))
    given, least = predictions.outputs[rows, predictions.labels], np.finfo(np.float32).eps
    return np.asarray(-np.log(np.clip(given.astype(np.float64), least, 1 - least)))


def _errors(predictions: Predictions) -> Values:
    return np.asarray(np.abs(predictions.outputs.astype(np.float64) - predictions.labels))


def _same(mean: Values) -> Values:
    return mean


# Metrics that follow from the mean of one number a row (n,): that number, and how they follow.
MEANS: dict[str, tuple[Callable[[Predictions], Values], Callable[[Values], Values]]] = {
    "accuracy": (_hits, _same),
    "log_loss": (_surprise, _same),
    "mae": (_errors, _same),
    "rmse": (lambda predictions: _errors(predictions) ** 2, np.sqrt),
}


def bounds(metric: str, predictions: Predictions, confidence: float) -> tuple[float, float]:
    """Where the metric lies: above the first number with `confidence`, below the second with it.

    NaN where the metric cannot be computed.
    """
    if not math.isfinite(metric_of(metric, predictions)):
        return math.nan, math.nan
    return _bounds(_resample(metric, [predictions])[:, 0], confidence)


def compare(metric: str, challenger: Predictions, other: Predictions, confidence: float) -> Gain:
    """How much better the challenger is, with its bounds; NaN where a metric is missing or NaN."""
    new, old = metric_of(metric, challenger), metric_of(metric, other)
    if not (math.isfinite(new) and math.isfinite(old)):
        return Gain(old, math.nan, math.nan, math.nan)
    sign = -1 if metric in LOWER_IS_BETTER else 1
    values = _resample(metric, [challenger, other])
    low, high = _bounds(sign * (values[:, 0] - values[:, 1]), confidence)
    return Gain(old, sign * (new - old), low, high)


def mcnemar(challenger: Predictions, champion: Predictions) -> McNemar:
    """McNemar's exact test, one-sided: are there more losses than equal models would show?

    McNemar 1947, doi:10.1007/BF02295996. Raises ValueError for a regression.
    """
    if not challenger.classes:
        raise ValueError("a regression has no right and wrong answers")
    from scipy.stats import binomtest

    right, was_right = _hits(challenger) > 0, _hits(champion) > 0
    gained, lost = int((right & ~was_right).sum()), int((was_right & ~right).sum())
    p = binomtest(lost, gained + lost, alternative="greater").pvalue if gained + lost else 1.0
    return McNemar(gained, lost, float(p))


def _bounds(values: Values, confidence: float) -> tuple[float, float]:
    low, high = np.quantile(values, (1 - confidence, confidence))
    return float(low), float(high)


def _resample(metric: str, models: Sequence[Predictions]) -> Values:
    """The metric of each model in each resample, (resamples, models)."""
    random = np.random.default_rng(SEED)
    if metric not in MEANS:
        return _resample_slowly(metric, models, random)
    of_row, from_mean = MEANS[metric]
    losses = np.stack([of_row(model) for model in models], axis=1)
    rows = len(losses)
    sums, sizes = losses, np.ones(rows)
    if rows > GROUPS:
        group = random.permutation(rows) % GROUPS
        sums = np.stack([np.bincount(group, column) for column in losses.T], axis=1)
        sizes = np.bincount(group).astype(np.float64)
    drawn = len(sums)
    means = np.empty((RESAMPLES, len(models)))
    for resample in range(RESAMPLES):
        times = np.bincount(random.integers(0, drawn, drawn), minlength=drawn)
        means[resample] = times @ sums / (times @ sizes)
    return from_mean(means)


def _resample_slowly(
    metric: str, models: Sequence[Predictions], random: np.random.Generator
) -> Values:
    """Each class keeps its number of rows: no resample lacks a rare one, which has no metric."""
    from sklearn import config_context

    labels = models[0].labels
    kinds = labels if models[0].classes else np.zeros(len(labels), np.int64)
    share = min(1.0, SLOW_ROWS / len(labels))
    strata = [np.flatnonzero(kinds == kind) for kind in np.unique(kinds)]
    strata = [random.choice(rows, math.ceil(share * len(rows)), replace=False) for rows in strata]
    values = np.empty((SLOW_RESAMPLES, len(models)))
    with config_context(assume_finite=True, skip_parameter_validation=True):
        for resample in range(SLOW_RESAMPLES):
            drawn = np.concatenate([random.choice(rows, len(rows)) for rows in strata])
            for place, model in enumerate(models):
                part = Predictions(labels[drawn], model.outputs[drawn], model.classes)
                values[resample, place] = metric_of(metric, part)
    return values
