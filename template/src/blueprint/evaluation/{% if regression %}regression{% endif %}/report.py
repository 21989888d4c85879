"""What the page shows of a regression's predictions: how far they are off, and the worst."""

from collections.abc import Sequence

import numpy as np

from ..report import plots
from ..report.blocks import Section, figures, note, show
from ..report.tables import ROWS, ReadRows, mistakes
from . import Array

POINTS = 2000  # of a scatter plot; more show nothing new and make the page slow
BARS = 41  # of a histogram, at most
FURTHEST = 2.0  # times the 99th percentile: residuals further off are left out of the histogram


def sections(
    labels: Array, predictions: Array, classes: Sequence[str], read_rows: ReadRows
) -> list[Section]:
    """Predictions beside the truth, how many are off by how much, and the largest residuals."""
    residuals = predictions.astype(np.float64) - labels
    sizes = np.abs(residuals)
    median, ninth, nearly_all = np.quantile(sizes, (0.5, 0.9, 0.99))
    limit = float(min(sizes.max(), FURTHEST * nearly_all)) or 1.0
    how = f"Half of the predictions are within {show(median)} of the truth, "
    how += f"nine in ten within {show(ninth)}."
    if outside := int((sizes > limit).sum()):
        how += f" {outside} of {len(sizes)} rows are further off than the plot shows."
    above = "Above the dashed line the prediction is too high, below it too low."
    worst = np.argsort(-sizes, kind="stable")[:ROWS]
    worst = worst[residuals[worst] != 0]
    columns = {"Truth": labels, "Prediction": predictions, "Residual": residuals}
    shown = {name: values[worst] for name, values in columns.items()}
    largest = Section("Mistakes", [f"None in {len(labels)} rows."])
    if len(worst):
        largest = mistakes("The largest residuals first.", worst, shown, read_rows(worst))
    return [
        Section(
            "Predictions against the truth",
            [figures(_scatter(labels, predictions)), note(above)],
            "half",
        ),
        Section("Residuals", [figures(_histogram(residuals, limit)), note(how)], "half"),
        largest,
    ]


def _scatter(labels: Array, predictions: Array) -> plots.Figure:
    shown = np.arange(len(labels))
    if len(labels) > POINTS:  # the same ones in every run
        shown = np.random.default_rng(0).choice(len(labels), POINTS, replace=False)
    x, y = labels[shown].astype(np.float64), predictions[shown].astype(np.float64)
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    margin = 0.04 * (high - low) or 1.0
    ends = (low - margin, high + margin)
    name = "test rows" if len(shown) == len(labels) else f"{len(shown)} of {len(labels)} test rows"
    marks = [
        plots.dots(x, y, "blue faint", name),
        plots.line(ends, ends, "muted dashed", "prediction = truth"),
    ]
    return plots.chart("", ("truth", "prediction"), marks, ends, ends)


def _histogram(residuals: Array, limit: float) -> plots.Figure:
    # Rice's rule; an odd number, so that the bar in the middle holds what is nearly right.
    count = min(2 * round(len(residuals) ** (1 / 3)) + 1, BARS)
    rows, edges = np.histogram(residuals, count, (-limit, limit))
    top, mean = float(rows.max()) * 1.05, float(residuals.mean())
    marks = [
        plots.bars(edges.tolist(), rows.tolist(), "blue"),
        plots.line((0, 0), (0, top), "muted dashed", "prediction = truth"),
    ]
    if abs(mean) < limit:
        marks.append(plots.line((mean, mean), (0, top), "orange", "mean residual"))
    axes = ("residual: prediction − truth", "rows")
    return plots.chart("", axes, marks, (-limit, limit), (0, top), integers="y")
