"""The demonstration's picture: drift and accuracy beside each other, before and after."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ....evaluation.report import plots

STYLE = """
svg { background: #fff; font-family: system-ui, sans-serif; }
text { font-size: 11px; fill: #555; text-anchor: middle; }
text.end { text-anchor: end; }
text.start { text-anchor: start; }
text.value { font-size: 9px; fill: #222; }
path { fill: none; stroke-width: 2; stroke-linejoin: round; }
path.grid { stroke: #ddd; stroke-width: .7; }
path.dots { stroke-linecap: round; stroke-width: 6; }
path.dashed { stroke-dasharray: 5 3; }
.blue { stroke: #0072b2; }
.orange { stroke: #d55e00; }
.grey { stroke: #999; }
"""
WIDTH, HEIGHT, LEGEND = plots.WIDTH, 240, 22


class Point(NamedTuple):
    """One check: rows asked so far, the share of the features that moved, the share of right
    answers among the newest rows (None for a regression), and the version that answered."""

    rows: int
    drift: float
    right: float | None
    version: str


def write(path: Path, points: Sequence[Point], threshold: float) -> None:
    """Write the points as an SVG that stands alone."""
    x = [point.rows for point in points]
    right = [(point.rows, point.right) for point in points if point.right is not None]
    marks = [
        plots.line([0, x[-1]], [threshold, threshold], "grey dashed", "drift.share"),
        plots.line(x, [point.drift for point in points], "blue", "features that moved"),
        plots.dots(x, [point.drift for point in points], "blue"),
    ]
    if right:
        across, up = zip(*right, strict=True)
        marks.append(plots.line(across, up, "orange", "right answers"))
        marks.append(plots.dots(across, up, "orange"))
    first = {point.version: point.rows for point in reversed(points)}
    texts = [(rows, 1.07, f"version {version}") for version, rows in first.items()]
    axes = ("rows asked", "share")
    figure = plots.chart("", axes, marks, (0, x[-1] * 1.05), (0, 1.15), texts, height=HEIGHT)
    inner = figure.svg.partition(">")[2].removesuffix("</svg>")
    box = f'viewBox="0 0 {WIDTH} {HEIGHT + LEGEND}" width="{2 * WIDTH}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}><style>{STYLE}</style>'
    path.write_text(f"{head}{inner}{_legend(figure.legend)}</svg>\n", encoding="utf-8")


def _legend(entries: Sequence[tuple[str, str]]) -> str:
    parts, across, down = [], plots.LEFT / 2, HEIGHT + 8
    for style, label in entries:
        parts.append(f'<path class="{style}" d="M{across:.0f} {down}h18"/>')
        parts.append(f'<text class="start" x="{across + 23:.0f}" y="{down + 4}">{label}</text>')
        across += 36 + 5.6 * len(label)
    return "".join(parts)
