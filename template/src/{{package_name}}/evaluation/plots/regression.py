"""Pictures of a regression's predictions."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .canvas import BLUE, INK, MUTED, ORANGE, new_figure, style, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 2000  # drawn at most; more say nothing new and make the page slow
HEIGHT = 4.4  # inches: two pictures stand side by side
BARS = 41  # at most


def scatter(labels: NDArray[Any], predictions: NDArray[Any]) -> str:
    """Each prediction against its truth: the closer to the dashed diagonal, the better."""
    figure = new_figure(HEIGHT)
    axes = figure.add_subplot()
    _scatter(axes, labels, predictions)
    style(axes)
    figure.legend(loc="outside upper left", ncols=2, frameon=False, labelcolor=INK)
    return svg(figure, "scatter", "Predictions against the truth")


def histogram(residuals: NDArray[np.float64], limit: float) -> str:
    """How many predictions are off by how much, from -limit to limit."""
    # Rice's rule; an odd number, so that the bar in the middle holds what is nearly right.
    bars = min(2 * round(len(residuals) ** (1 / 3)) + 1, BARS)
    counts, edges = np.histogram(residuals, bars, (-limit, limit))
    figure = new_figure(HEIGHT)
    axes = figure.add_subplot()
    axes.bar(edges[:-1], counts, np.diff(edges) * 0.9, align="edge", color=BLUE)
    axes.axvline(0, color=MUTED, ls="--", lw=1.2, label="prediction = truth")
    mean = float(residuals.mean())
    if abs(mean) < limit:
        axes.axvline(mean, color=ORANGE, lw=1.8, label="mean residual")
    axes.set_xlim(-limit, limit)
    axes.set_xlabel("residual: prediction − truth")
    axes.set_ylabel("rows")
    axes.locator_params(axis="y", integer=True)
    style(axes)
    figure.legend(loc="outside upper left", ncols=2, frameon=False, labelcolor=INK)
    return svg(figure, "residuals", "Histogram of the residuals")


def write_scatter(path: Path, labels: NDArray[Any], predictions: NDArray[Any]) -> None:
    """Write the predictions against the truth as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    _scatter(axes, labels, predictions)
    axes.legend(loc="upper left")
    figure.savefig(path, format="png")


def _scatter(axes: "Axes", labels: NDArray[Any], predictions: NDArray[Any]) -> None:
    shown = _sample(len(labels))
    x, y = labels[shown].astype(np.float64), predictions[shown].astype(np.float64)
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    margin = 0.04 * (high - low) or 1.0
    ends = (low - margin, high + margin)
    name = "test rows" if len(shown) == len(labels) else f"{len(shown)} of {len(labels)} test rows"
    axes.plot(x, y, "o", color=BLUE, alpha=0.6, ms=4, mew=0, label=name)
    axes.plot(ends, ends, "--", color=MUTED, lw=1.2, label="prediction = truth")
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_xlabel("truth")
    axes.set_ylabel("prediction")


def _sample(rows: int) -> NDArray[np.int64]:
    """The numbers of the rows to draw: the same ones in every run."""
    if rows <= POINTS:
        return np.arange(rows)
    return np.random.default_rng(0).choice(rows, POINTS, replace=False)
