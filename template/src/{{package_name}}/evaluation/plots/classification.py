"""Pictures of a classifier's predictions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.classification import ClassScores, Reliability, confusion_matrix
from .canvas import BLUE, GREEN, INK, MUTED, ORANGE, WIDTH, new_figure, short, style, svg

NUMBERED_CLASSES = 20  # a confusion matrix of more classes has no room for numbers


def class_bars(names: Sequence[str], scores: ClassScores) -> str:
    """Precision, recall and F1 of each class as bars, with F1 written beside them."""
    places = np.arange(len(names))
    figure = new_figure(0.8 + 0.36 * len(names))
    axes = figure.add_subplot()
    for offset, values, color, label in (
        (-0.27, scores.precision, BLUE, "precision"),
        (0.0, scores.recall, ORANGE, "recall"),
        (0.27, scores.f1, GREEN, "F1"),
    ):
        axes.barh(places + offset, np.nan_to_num(values), 0.25, color=color, label=label)
    for place, value in enumerate(scores.f1):
        text = f"{value:.2f}" if np.isfinite(value) else "none"
        axes.text(1.015, place, text, color=INK, va="center", fontsize=9)
    axes.text(1.015, -0.62, "F1", color=INK, weight="bold", va="bottom", fontsize=9)
    axes.set_yticks(places, [short(name) for name in names], parse_math=False)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    style(axes, grid="x")
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, labelcolor=INK)
    return svg(figure, "classes", "Precision, recall and F1 of each class")


def reliability_diagram(bins: Reliability) -> str:
    """Accuracy against confidence over the share of rows at each confidence."""
    figure = new_figure(4.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    middle, width = (bins.edges[:-1] + bins.edges[1:]) / 2, np.diff(bins.edges) * 0.9
    upper.plot((0, 1), (0, 1), "--", color=MUTED, lw=1.2, label="perfectly calibrated")
    upper.bar(middle, np.nan_to_num(bins.accuracy), width, color=BLUE, alpha=0.3)
    upper.plot(bins.confidence, bins.accuracy, "o", color=BLUE, ms=5, label="this model")
    upper.set_ylabel("accuracy")
    upper.set_ylim(0, 1.03)
    lower.bar(middle, bins.rows / max(bins.rows.sum(), 1), width, color=GREEN)
    lower.set_ylabel("share of rows")
    lower.set_xlabel("probability of the predicted class")
    lower.set_xlim(0, 1)
    for axes in (upper, lower):
        style(axes)
    figure.legend(loc="outside upper left", ncols=2, frameon=False, labelcolor=INK)
    return svg(figure, "reliability", "Reliability diagram and histogram of confidence")


def confusion_image(matrix: NDArray[np.int64]) -> str:
    """A confusion matrix of many classes: shares of each row as shades, without numbers."""
    figure = new_figure(WIDTH)
    axes = figure.add_subplot()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    pixels = np.empty((*matrix.shape, 4))
    pixels[...] = (0.84, 0.37, 0.0, 0.0)
    pixels[np.eye(len(matrix), dtype=bool)] = (0.0, 0.45, 0.7, 0.0)
    pixels[..., 3] = np.sqrt(shares)
    axes.imshow(pixels, interpolation="nearest")
    axes.set_xlabel("predicted class, by number")
    axes.set_ylabel("true class, by number")
    style(axes, grid="")
    return svg(figure, "confusion", "Confusion matrix")


def write_confusion(
    path: Path, labels: NDArray[Any], probabilities: NDArray[Any], classes: Sequence[str]
) -> None:
    """Write the confusion matrix as a PNG, with its counts when there are few classes."""
    from matplotlib.figure import Figure

    matrix = confusion_matrix(labels, probabilities)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    numbered = len(classes) <= NUMBERED_CLASSES
    side = max(4.5, 1.5 + 0.5 * len(classes)) if numbered else 8.0
    figure = Figure(figsize=(side, side), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if numbered:
        names = [short(name) for name in classes]
        places, upright = range(len(names)), max(map(len, names)) <= 4
        axes.set_xticks(places, names, rotation=0 if upright else 90, parse_math=False)
        axes.set_yticks(places, names, parse_math=False)
        for (row, column), count in np.ndenumerate(matrix):
            ink = "white" if shares[row, column] > 0.5 else "black"
            if count:
                axes.text(column, row, str(count), ha="center", va="center", color=ink)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    figure.savefig(path, format="png")
