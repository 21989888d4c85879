"""Learning curves."""

import re
from collections.abc import Sequence

from .canvas import BLUE, INK, ORANGE, new_figure, style, svg


def learning_curve(name: str, curves: dict[str, Sequence[float]]) -> str:
    """One quantity by epoch: `curves` maps "training" and "validation" to values."""
    figure = new_figure(2.9)
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
    style(axes)
    return svg(figure, f"curve-{re.sub(r'[^a-z0-9]', '-', name)}", f"{name} by epoch")
