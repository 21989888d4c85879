"""How much better a model is than the champion."""

from .canvas import BLUE, INK, MUTED, ORANGE, new_figure, style, svg


def gain_interval(gain: float, low: float, high: float, limit: float) -> str:
    """The gain with its bounds, beside no change and the `limit` that `low` has to reach."""
    figure = new_figure(1.3)
    axes = figure.add_subplot()
    axes.axvline(0, color=MUTED, lw=1.2, label="no change")
    axes.axvline(limit, color=ORANGE, ls="--", lw=1.8, label="the limit")
    axes.plot((low, high), (0, 0), color=BLUE, lw=2.5, solid_capstyle="butt")
    axes.plot((low, high), (0, 0), "|", color=BLUE, ms=12, mew=2.5)
    axes.plot(gain, 0, "o", color=BLUE, ms=7, label="gain over the champion")
    axes.set_ylim(-1, 1)
    axes.set_yticks(())
    axes.margins(x=0.1)
    style(axes, grid="x")
    axes.spines["left"].set_visible(False)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, labelcolor=INK)
    return svg(figure, "gain", "The gain over the champion with its bounds, and the limit")
