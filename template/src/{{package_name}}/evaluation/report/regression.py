"""What the page says of a regression: how far off it is, and where it is furthest off."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..plots import regression as plots
from .mistakes import ROWS, Column, ReadRows, as_table
from .page import section, shortened

FURTHEST = 2.0  # times the 99th percentile: further off is left out of the histogram


def sections(labels: NDArray[Any], predictions: NDArray[Any], read_rows: ReadRows) -> list[str]:
    """The sections of `labels` and `predictions`, (n,) each, that can be scored."""
    residuals = predictions.astype(np.float64) - labels
    return [
        section("Predictions against the truth", plots.scatter(labels, predictions), "half"),
        _residuals(residuals),
        _mistakes(labels, predictions, residuals, read_rows),
    ]


def _residuals(residuals: NDArray[np.float64]) -> str:
    sizes = np.abs(residuals)
    half, most, nearly_all = np.quantile(sizes, (0.5, 0.9, 0.99))
    limit = float(min(sizes.max(), FURTHEST * nearly_all)) or 1.0
    note = f"Half of the predictions are within {shortened(half)} of the truth, "
    note += f"nine in ten within {shortened(most)}."
    if outside := int((sizes > limit).sum()):
        note += f" {outside} of {len(sizes)} rows are further off than the picture shows."
    picture = plots.histogram(residuals, limit)
    return section("Residuals", f'{picture}<p class="note">{note}</p>', "half")


def _mistakes(
    labels: NDArray[Any],
    predictions: NDArray[Any],
    residuals: NDArray[np.float64],
    read_rows: ReadRows,
) -> str:
    worst = np.argsort(-np.abs(residuals), kind="stable")[:ROWS]
    worst = worst[residuals[worst] != 0]
    if not len(worst):
        return section("Mistakes", f"<p>None in {len(labels)} rows.</p>")
    columns = [
        Column(name, [shortened(value) for value in values[worst]], True)
        for name, values in (
            ("Truth", labels),
            ("Prediction", predictions),
            ("Residual", residuals),
        )
    ]
    note = "The predictions that are furthest off."
    return as_table(note, worst, columns, read_rows(worst))
