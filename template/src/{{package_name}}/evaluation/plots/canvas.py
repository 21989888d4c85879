"""How a plot looks, and how it becomes part of the page.

Plots are drawn with Matplotlib's object interface (no pyplot, no global state). Those of the page
are SVG text whose colours are the page's CSS variables, so that one picture serves light, dark and
print. Colours: Okabe & Ito 2008, "Color Universal Design".
"""

import io
import re
from html import escape
from typing import TYPE_CHECKING, Literal

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


def new_figure(height: float) -> "Figure":
    """An empty picture as wide as a column of the page; `height` in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def style(axes: "Axes", grid: Literal["x", "y", ""] = "y") -> None:
    """Give axes the page's colours, and grid lines along one axis or none."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(LINE)
    axes.tick_params(color=LINE, labelcolor=MUTED, labelsize=9)
    axes.xaxis.label.set_color(MUTED)
    axes.yaxis.label.set_color(MUTED)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=LINE, lw=0.7)


def svg(figure: "Figure", name: str, alt: str) -> str:
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


def short(name: str) -> str:
    """A name that fits beside an axis."""
    return name if len(name) <= 18 else f"{name[:9]}…{name[-8:]}"
