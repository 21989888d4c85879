"""Pictures of an evaluation, drawn with Matplotlib's object interface (no pyplot, no global state).

Page plots are SVG text whose colours are the page's CSS variables, so that one picture serves
light, dark and print. Colours: Okabe & Ito 2008, "Color Universal Design".
"""

import io
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .metrics import ClassScores, Reliability, confusion_matrix, problem

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# What is drawn in these colours is shown in the page's CSS variable of that name.
INK, MUTED, LINE = "#010101", "#020202", "#030303"
BLUE, ORANGE, GREEN = "#0072b2", "#e69f00", "#009e73"
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    BLUE: "--blue",
    ORANGE: "--orange",
    GREEN: "--green",
}
WIDTH = 5.2  # inches; the page scales pictures to its column
NUMBERED_CLASSES = 20  # a confusion matrix of more classes has no room for numbers


def learning_curve(name: str, curves: dict[str, Sequence[float]]) -> str:
    """One quantity by epoch: `curves` maps "training" and "validation" to values."""
    figure = _figure(2.9)
    axes = figure.add_subplot()
    for (label, values), (color, dashes) in zip(
        curves.items(), ((BLUE, "-"), (ORANGE, "--")), strict=False
    ):
        epochs = range(1, len(values) + 1)
        marker = "o" if len(values) <= 30 else ""
        axes.plot(epochs, values, dashes, color=color, label=label, marker=marker, ms=3.5, lw=1.8)
    axes.set_xlabel("epoch")
    axes.locator_params(axis="x", integer=True)
    axes.set_xlim(0.5, max(map(len, curves.values())) + 0.5)
    axes.legend(loc="best", frameon=False, labelcolor=INK)
    _style(axes)
    return _svg(figure, f"curve-{re.sub(r'[^a-z0-9]', '-', name)}", f"{name} by epoch")


def class_bars(names: Sequence[str], scores: ClassScores) -> str:
    """Precision, recall and F1 of each class as bars, with F1 written beside them."""
    places = np.arange(len(names))
    figure = _figure(0.8 + 0.36 * len(names))
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
    axes.set_yticks(places, [_short(name) for name in names], parse_math=False)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    _style(axes, grid="x")
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, labelcolor=INK)
    return _svg(figure, "classes", "Precision, recall and F1 of each class")


def reliability_diagram(bins: Reliability) -> str:
    """Accuracy against confidence over the share of rows at each confidence."""
    figure = _figure(4.4)
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
        _style(axes)
    figure.legend(loc="outside upper left", ncols=2, frameon=False, labelcolor=INK)
    return _svg(figure, "reliability", "Reliability diagram and histogram of confidence")


def confusion_image(matrix: NDArray[np.int64]) -> str:
    """A confusion matrix of many classes: shares of each row as shades, without numbers."""
    figure = _figure(WIDTH)
    axes = figure.add_subplot()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    pixels = np.empty((*matrix.shape, 4))
    pixels[...] = (0.84, 0.37, 0.0, 0.0)
    pixels[np.eye(len(matrix), dtype=bool)] = (0.0, 0.45, 0.7, 0.0)
    pixels[..., 3] = np.sqrt(shares)
    axes.imshow(pixels, interpolation="nearest")
    axes.set_xlabel("predicted class, by number")
    axes.set_ylabel("true class, by number")
    _style(axes, grid="")
    return _svg(figure, "confusion", "Confusion matrix")


def write_confusion_png(
    path: Path, labels: NDArray[Any], probabilities: NDArray[Any], classes: Sequence[str]
) -> None:
    """Write the confusion matrix as a PNG, with its counts when there are few classes.

    Predictions that cannot be scored give a picture that says why.
    """
    from matplotlib.figure import Figure

    if reason := problem(labels, probabilities):
        figure = Figure(figsize=(8, 1))
        figure.text(0.5, 0.5, f"No confusion matrix: {reason}.", ha="center", va="center")
        figure.savefig(path, format="png")
        return
    matrix = confusion_matrix(labels, probabilities)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    numbered = len(classes) <= NUMBERED_CLASSES
    side = max(4.5, 1.5 + 0.5 * len(classes)) if numbered else 8.0
    figure = Figure(figsize=(side, side), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if numbered:
        names = [_short(name) for name in classes]
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


def image_png(image: NDArray[Any], brightest: float) -> bytes:
    """A PNG of one image, (h, w) or (h, w, channels), 0 = black to `brightest` = white."""
    from matplotlib.image import imsave

    step = -(-max(image.shape[:2]) // 64)
    pixels = np.asarray(image[::step, ::step], dtype=np.float64) / max(brightest, 1)
    if pixels.ndim == 3 and pixels.shape[2] != 3:
        pixels = pixels.mean(axis=2)
    file = io.BytesIO()
    imsave(file, pixels, cmap="gray", vmin=0, vmax=1, format="png")
    return file.getvalue()


def _figure(height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def _style(axes: "Axes", grid: Literal["x", "y", ""] = "y") -> None:
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(LINE)
    axes.tick_params(color=LINE, labelcolor=MUTED, labelsize=9)
    axes.xaxis.label.set_color(MUTED)
    axes.yaxis.label.set_color(MUTED)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=LINE, lw=0.7)


def _svg(figure: "Figure", name: str, alt: str) -> str:
    """The figure as an `<svg>` element: real text, page colours, identifiers of its own."""
    import matplotlib

    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    drawing = file.getvalue()
    body = drawing[drawing.index(">", drawing.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"\s+(?=[<])", "", body)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body)
    for color, variable in VARIABLES.items():
        body = body.replace(color, f"var({variable})")
    width, height = (side * 72 for side in figure.get_size_inches())
    return (
        f'<svg role="img" aria-label="{escape(alt)}" viewBox="0 0 {width:g} {height:g}" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{body}'
    )


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:9]}…{name[-8:]}"
