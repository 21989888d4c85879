"""Plots as SVG in one style: the page gives them its font and its colours, light, dark or print.

Colours: Okabe & Ito 2008, "Color Universal Design".
"""

import io
import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 400, 250
LEFT, TOP, RIGHT, BOTTOM = 52, 8, 10, 36  # margins
Limits = tuple[float, float]


class Mark(NamedTuple):
    """Paths through points (x, y), drawn alike; a path of one point is a dot.

    `style` has classes of page.html: a colour, and "dashed", "dots", "wide", "bars" or "faint".
    """

    paths: Sequence[Sequence[tuple[float, float]]]
    style: str
    label: str = ""


class Figure(NamedTuple):
    """A plot with its title, and what its colours mean: (style, label) pairs."""

    title: str
    svg: str
    legend: Sequence[tuple[str, str]] = ()


def line(x: Iterable[float], y: Iterable[float], style: str, label: str = "") -> Mark:
    return Mark([list(zip(x, y, strict=True))], style, label)


def dots(x: Iterable[float], y: Iterable[float], style: str, label: str = "") -> Mark:
    return Mark([[point] for point in zip(x, y, strict=True)], f"{style} dots", label)


def bars(edges: Any, heights: Any, style: str, label: str = "") -> Mark:
    """Bars of these heights (n,) between edges (n + 1,), with a gap between two."""
    gap = 0.05 * (edges[1] - edges[0])
    paths = [
        [(left + gap, 0), (left + gap, height), (right - gap, height), (right - gap, 0)]
        for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True)
        if height
    ]
    return Mark(paths, f"{style} bars", label)


def chart(
    title: str,
    axes: tuple[str, str],
    marks: Sequence[Mark],
    x: Limits | None = None,
    y: Limits | None = None,
    texts: Sequence[tuple[float, float, str]] = (),
    integers: str = "",
    height: int = HEIGHT,
) -> Figure:
    """A plot of the marks with the axes' names; an axis without a name has no numbers.

    Limits are those of the points unless given. `texts` are (x, y, text), centred. The axes in
    `integers` ("x", "y") have whole numbers alone.
    """
    points = np.array([point for mark in marks for path in mark.paths for point in path])
    (x0, x1), (y0, y1) = x or _around(points[:, 0]), y or _around(points[:, 1])

    def place(point: Sequence[float]) -> tuple[str, str]:
        across = LEFT + (point[0] - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)
        down = TOP + (y1 - point[1]) / (y1 - y0) * (height - TOP - BOTTOM)
        return f"{across:.1f}", f"{down:.1f}"

    parts = []
    for value in _ticks(x0, x1, "x" in integers) if axes[0] else ():
        across, _ = place((value, y0))
        parts.append(f'<path class="grid" d="M{across} {TOP}V{height - BOTTOM}"/>')
        parts.append(f'<text x="{across}" y="{height - BOTTOM + 14}">{_text(value)}</text>')
    for value in _ticks(y0, y1, "y" in integers) if axes[1] else ():
        _, down = place((x0, value))
        parts.append(f'<path class="grid" d="M{LEFT} {down}H{WIDTH - RIGHT}"/>')
        parts.append(
            f'<text class="end" x="{LEFT - 5}" y="{float(down) + 4}">{_text(value)}</text>'
        )
    for mark in marks:
        paths = ["L".join(" ".join(place(point)) for point in path) for path in mark.paths]
        path = "".join(f"M{each}{'' if 'L' in each else 'h0'}" for each in paths)
        parts.append(f'<path class="{mark.style}" d="{path}"/>')
    for *point, text in texts:
        across, down = place(point)
        parts.append(f'<text class="value" x="{across}" y="{down}">{text}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2, (TOP + height - BOTTOM) / 2
    parts.append(f'<text x="{middle[0]}" y="{height - 5}">{escape(axes[0])}</text>')
    turned = f'transform="rotate(-90) translate({-middle[1]} 11)"'
    parts.append(f"<text {turned}>{escape(axes[1])}</text>")
    legend = [(mark.style, mark.label) for mark in marks if mark.label]
    body = f'<svg viewBox="0 0 {WIDTH} {height}" aria-hidden="true">{"".join(parts)}</svg>'
    return Figure(title, body, legend)


def pixels(title: str, shares: NDArray[np.float64]) -> Figure:
    """A confusion matrix of many classes as a picture: hits are blue, mistakes orange."""
    image = np.empty((*shares.shape, 4), np.uint8)
    image[...] = (213, 94, 0, 0)
    image[np.eye(len(shares), dtype=bool)] = (0, 114, 178, 0)
    image[..., 3] = 255 * np.sqrt(shares)
    alt, source = "a picture of the matrix", f"data:image/png;base64,{_base64(image)}"
    return Figure(title, f'<img class="pixels" alt="{alt}" src="{source}">')


def thumbnail(image: NDArray[Any], brightest: float) -> str:
    """One image, (h, w) or (h, w, channels), as a PNG in Base64: 0 = black, `brightest` = white."""
    step = -(-max(image.shape[:2]) // 64)
    values = np.asarray(image[::step, ::step], dtype=np.float64) / max(brightest, 1)
    if values.ndim == 3 and values.shape[2] != 3:
        values = values.mean(axis=2)
    return _base64((255 * values.clip(0, 1)).astype(np.uint8))


def _base64(image: NDArray[np.uint8]) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return b64encode(file.getvalue()).decode()


def _around(values: NDArray[np.float64]) -> Limits:
    """The finite values' range and a little more."""
    known = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
    margin = 0.05 * float(np.ptp(known)) or 0.05 * abs(float(known[0])) or 1.0
    return float(known.min()) - margin, float(known.max()) + margin


def _ticks(low: float, high: float, integers: bool) -> list[float]:
    """At most seven round numbers from low to high."""
    size = 10 ** math.floor(math.log10((high - low) / 6))
    step = next(size * k for k in (1, 2, 5, 10) if (high - low) / (size * k) <= 6)
    step = max(step, 1) if integers else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [step * place for place in range(first, last + 1)]


def _text(value: float) -> str:
    return f"{round(value, 12):.6g}".replace("-", "−")


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
