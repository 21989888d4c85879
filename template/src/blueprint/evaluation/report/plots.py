"""The plots: one style, as SVG for the page and as PNG for the record in MLflow.

They are drawn with Matplotlib's object interface (no pyplot, no global state). In SVG the colours
become the page's CSS variables, so that one plot serves light, dark and print. Colours: Okabe &
Ito 2008, "Color Universal Design".
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imsave
from numpy.typing import NDArray

from ..metrics.classification import Reliability
from .content import shorten

# Those of the light page; what is drawn in one of them has that CSS variable's colour in SVG.
INK, MUTED, LINE = "#1a1d21", "#5b6470", "#dde1e6"
BLUE, ORANGE, GREEN = "#0072b2", "#e69f00", "#009e73"
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    BLUE: "--blue",
    ORANGE: "--orange",
    GREEN: "--green",
}
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.labelcolor": INK,
    "text.parse_math": False,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "svg.fonttype": "none",
}
SMALL, HALF = 3.7, 5.0  # inches: a third and a half of the page's width
NUMBERED_CLASSES = 20  # a confusion matrix of more classes has no room for numbers
POINTS = 2000  # of a scatter plot; more show nothing new and make the page slow
BARS = 41  # of a histogram, at most
Z = 1.645  # of a 90% interval


def svg(name: str, draw: Callable[..., Figure], *arguments: Any) -> str:
    """The figure that `draw` makes as an `<svg>`: real text, identifiers that begin with `name`."""
    file = io.StringIO()
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": name}):
        figure = draw(*arguments)
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"\s+(?=<)", "", body).replace("xlink:href", "href")
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body)
    for color, variable in VARIABLES.items():
        body = body.replace(color, f"var({variable})")
    width, height = (side * 72 for side in figure.get_size_inches())
    return f'<svg aria-hidden="true" viewBox="0 0 {width:g} {height:g}">{body}'


def png(draw: Callable[..., Figure], *arguments: Any) -> bytes:
    """The figure that `draw` makes as a PNG on white."""
    file = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        draw(*arguments).savefig(file, format="png", dpi=160)
    return file.getvalue()


def image_png(image: NDArray[Any], brightest: float) -> bytes:
    """A PNG of one image, (h, w) or (h, w, channels), 0 = black to `brightest` = white."""
    step = -(-max(image.shape[:2]) // 64)
    pixels = np.asarray(image[::step, ::step], dtype=np.float64) / max(brightest, 1)
    if pixels.ndim == 3 and pixels.shape[2] != 3:
        pixels = pixels.mean(axis=2)
    file = io.BytesIO()
    imsave(file, pixels, cmap="gray", vmin=0, vmax=1, format="png")
    return file.getvalue()


def message(text: str) -> Figure:
    """A text in the place of a plot."""
    figure = Figure(figsize=(8, 1))
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def gain_interval(gain: float, low: float, high: float, limit: float) -> Figure:
    """The gain with its interval, beside no change and the `limit` that `low` has to reach."""
    figure, axes = _new(HALF, 1.5, "x")
    axes.axvline(0, color=MUTED, lw=1.2, label="no change")
    axes.axvline(limit, color=ORANGE, ls="--", lw=1.8, label="limit")
    axes.plot((low, high), (0, 0), color=BLUE, lw=2.5, solid_capstyle="butt")
    axes.plot((low, high), (0, 0), "|", color=BLUE, ms=12, mew=2.5)
    axes.plot(gain, 0, "o", color=BLUE, ms=7, label="gain with its interval")
    axes.set(ylim=(-1, 1), yticks=(), xlabel="← worse · gain over the champion · better →")
    axes.margins(x=0.1)
    axes.spines["left"].set_visible(False)
    return _legend(figure, 3)


def learning_curve(curves: Mapping[str, Sequence[float]], label: str, width: float) -> Figure:
    """One quantity by epoch: `curves` maps "training" and "validation" to values."""
    figure, axes = _new(width, 2.7)
    for (name, values), (color, line) in zip(
        curves.items(), ((BLUE, "-"), (ORANGE, "--")), strict=False
    ):
        epochs, marker = range(1, len(values) + 1), "o" if len(values) <= 30 else ""
        axes.plot(epochs, values, line, color=color, label=name, marker=marker, ms=3.5, lw=1.8)
    axes.set(xlabel="epoch", ylabel=label, xlim=(0.5, max(map(len, curves.values())) + 0.5))
    axes.locator_params(axis="x", integer=True)
    return _legend(figure, 2)


def curves(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    axis_names: tuple[str, str],
    chance: tuple[Sequence[float], Sequence[float]] | None,
) -> Figure:
    """ROC or precision–recall curves by label; the first line stands out, `chance` is dashed."""
    figure, axes = _new(SMALL, 3.9)
    axes.grid(axis="x")
    if chance:
        axes.plot(*chance, "--", color=MUTED, lw=1.2, label="no skill")
    (name, first), *others = lines.items()
    axes.plot(*first, color=ORANGE if others else BLUE, lw=1.8, label=name, zorder=3)
    for place, (_, points) in enumerate(others):
        label = "" if place else "others"
        axes.plot(*points, color=BLUE, alpha=0.45, lw=1.2, label=label)
    axes.set(xlabel=axis_names[0], ylabel=axis_names[1], xlim=(-0.01, 1.01), ylim=(-0.01, 1.03))
    return _legend(figure, 3)


def reliability_diagram(bins: Reliability) -> Figure:
    """Accuracy against confidence, with 90% intervals that are long where a bin has few rows."""
    figure = _figure(SMALL, 3.9)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    used = bins.rows > 0
    rows, confidence, accuracy = bins.rows[used], bins.confidence[used], bins.accuracy[used]
    # Wilson 1927, doi:10.1080/01621459.1927.10502953.
    middle = (accuracy * rows + Z**2 / 2) / (rows + Z**2)
    half = Z / (rows + Z**2) * np.sqrt(accuracy * (1 - accuracy) * rows + Z**2 / 4)
    upper.plot((0, 1), (0, 1), "--", color=MUTED, lw=1.2, label="perfect")
    upper.vlines(confidence, middle - half, middle + half, color=BLUE, alpha=0.45, lw=3)
    upper.plot(confidence, accuracy, "o", color=BLUE, ms=5, label="this model (90%)")
    upper.set(ylabel="accuracy", ylim=(-0.02, 1.03))
    edges, width = bins.edges[:-1][used], np.diff(bins.edges)[used]
    lower.bar(edges + width / 2, rows, width * 0.9, color=GREEN)
    crowded = len(rows) > 8
    for place, count in zip(edges + width / 2, rows, strict=True):
        lower.annotate(
            f"{count}", (place, count), (0, 2), textcoords="offset points", color=INK,
            fontsize=7, ha="center", va="bottom", rotation=90 if crowded else 0,
        )  # fmt: skip
    lower.set(ylabel="rows", xlabel="probability of the predicted class", yscale="log")
    lower.set(ylim=(0.7, rows.max() * (12 if crowded else 5)), yticks=())
    lower.set_xlim(float(edges[0]), 1)
    for axes in (upper, lower):
        axes.grid(axis="y" if axes is upper else "x")
    return _legend(figure, 2)


def confusion(matrix: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """Shares of each row as shades, and the counts when there are few classes."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    numbered = len(classes) <= NUMBERED_CLASSES
    side = max(3.4, 1.2 + 0.36 * len(classes)) if numbered else HALF
    figure, axes = _new(side, side, "")
    pixels = np.empty((*matrix.shape, 4))
    pixels[...] = (0.84, 0.37, 0.0, 0.0)
    pixels[np.eye(len(matrix), dtype=bool)] = (0.0, 0.45, 0.7, 0.0)
    pixels[..., 3] = np.sqrt(shares)
    axes.imshow(pixels, interpolation="nearest")
    if numbered:
        names = [shorten(name, 18) for name in classes]
        places, upright = range(len(names)), max(map(len, names)) <= max(4, 28 // len(names))
        axes.set_xticks(places, names, rotation=0 if upright else 90)
        axes.set_yticks(places, names)
        for (row, column), count in np.ndenumerate(matrix):
            ink = "white" if pixels[row, column, 3] > 0.6 else "black"
            if count:
                axes.text(column, row, str(count), ha="center", va="center", color=ink)
    number = "" if numbered else ", by number"
    axes.set(xlabel=f"predicted class{number}", ylabel=f"true class{number}")
    return figure


def scatter(labels: NDArray[Any], predictions: NDArray[Any]) -> Figure:
    """Each prediction against its label: the closer to the dashed diagonal, the better."""
    shown = np.arange(len(labels))
    if len(labels) > POINTS:  # the same ones in every run
        shown = np.random.default_rng(0).choice(len(labels), POINTS, replace=False)
    x, y = labels[shown].astype(np.float64), predictions[shown].astype(np.float64)
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    margin = 0.04 * (high - low) or 1.0
    ends = (low - margin, high + margin)
    name = "test rows" if len(shown) == len(labels) else f"{len(shown)} of {len(labels)} test rows"
    figure, axes = _new(HALF, 3.9)
    axes.grid(axis="x")
    axes.plot(x, y, "o", color=BLUE, alpha=0.6, ms=4, mew=0, label=name)
    axes.plot(ends, ends, "--", color=MUTED, lw=1.2, label="prediction = truth")
    axes.set(xlim=ends, ylim=ends, xlabel="truth", ylabel="prediction")
    return _legend(figure, 2)


def histogram(residuals: NDArray[np.float64], limit: float) -> Figure:
    """How many predictions are off by how much, from -limit to limit."""
    # Rice's rule; an odd number, so that the bar in the middle holds what is nearly right.
    bars = min(2 * round(len(residuals) ** (1 / 3)) + 1, BARS)
    counts, edges = np.histogram(residuals, bars, (-limit, limit))
    figure, axes = _new(HALF, 3.9)
    axes.bar(edges[:-1], counts, np.diff(edges) * 0.9, align="edge", color=BLUE)
    axes.axvline(0, color=MUTED, ls="--", lw=1.2, label="prediction = truth")
    mean = float(residuals.mean())
    if abs(mean) < limit:
        axes.axvline(mean, color=ORANGE, lw=1.8, label="mean residual")
    axes.set(xlim=(-limit, limit), xlabel="residual: prediction − truth", ylabel="rows")
    axes.locator_params(axis="y", integer=True)
    return _legend(figure, 2)


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout="constrained")


def _new(width: float, height: float, grid: Any = "y") -> tuple[Figure, Axes]:
    """A figure of so many inches, with axes and grid lines along `grid` ("x", "y" or "")."""
    figure = _figure(width, height)
    axes = figure.add_subplot()
    if grid:
        axes.grid(axis=grid)
    return figure, axes


def _legend(figure: Figure, columns: int) -> Figure:
    figure.legend(loc="outside upper left", ncols=columns)
    return figure
