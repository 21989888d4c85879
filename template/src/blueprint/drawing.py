"""Text for a terminal: an image, a row of a table, a bar chart. The caller decides about colour."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

LARGEST = 32  # pixels of the longer side, as drawn
SMALLEST = {True: 24, False: 16}  # with colour, without
ASCII_RAMP = " .:-=+*#%@"
GREYS = (16, *range(232, 256), 231)  # of the 256 terminal colours: black, 24 steps, white
EIGHTHS = " ▏▎▍▌▋▊▉"
GREY, BLUE = 245, 39  # of the same colours
LONGEST = 40  # characters of a name or a value


def use_color(stream: TextIO) -> bool:
    """Whether to colour what goes to `stream`: NO_COLOR, else FORCE_COLOR, else a capable terminal.

    Source: https://no-color.org and https://force-color.org.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if forced := os.environ.get("FORCE_COLOR"):
        return forced != "0"
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def draw_image(image: NDArray[Any], color: bool) -> str:
    """A grey image (h, w), dark to bright from 0 to its own maximum, as lines of text.

    With colour, a character holds two pixels, one above the other; without, a pixel is two
    characters of an ASCII ramp. Larger sides than 32 are shrunk, tiny images smoothly enlarged.
    A channel axis (h, w, c) is averaged away.
    """
    pixels = np.asarray(image, dtype=np.float64)
    if pixels.ndim == 3:
        pixels = pixels.mean(axis=2)
    pixels = _enlarge(_shrink(pixels / max(pixels.max(), 1)), SMALLEST[color])
    if not color:
        levels = np.rint(pixels * (len(ASCII_RAMP) - 1)).astype(int)
        return "\n".join("".join(ASCII_RAMP[v] * 2 for v in row).rstrip() for row in levels)
    if len(pixels) % 2:
        pixels = np.vstack([pixels, np.zeros((1, pixels.shape[1]))])
    greys = np.take(GREYS, np.rint(pixels * (len(GREYS) - 1)).astype(int))
    return "\n".join(
        "".join(f"\033[38;5;{upper};48;5;{lower}m▀" for upper, lower in zip(*pair, strict=True))
        + "\033[0m"
        for pair in zip(greys[::2], greys[1::2], strict=True)
    )


def draw_bars(
    names: Sequence[str],
    probabilities: Sequence[float] | NDArray[Any],
    *,
    width: int = 30,
    top: int = 3,
    color: bool = False,
) -> str:
    """The `top` most probable classes, best first, one bar a line. `probabilities`: (classes,)."""
    best = np.argsort(-np.asarray(probabilities), kind="stable")[:top]
    margin = max(len(names[k]) for k in best)
    lines = []
    for rank, k in enumerate(best):
        filled = float(np.clip(np.nan_to_num(probabilities[k]), 0, 1)) * width
        if color:
            eighths = round(filled * 8)
            bar = ("█" * (eighths // 8) + EIGHTHS[eighths % 8]).strip().ljust(width)
            bar = f"\033[38;5;{BLUE if rank == 0 else GREY}m{bar}\033[0m"
        else:
            bar = ("#" * round(filled)).ljust(width, ".")
        lines.append(f"{names[k]:>{margin}}  {bar}  {probabilities[k]:6.1%}")
    return "\n".join(lines)


def draw_row(values: Mapping[str, Any], *, top: int = 12, color: bool = False) -> str:
    """The first `top` values of a row under each other, after their names; "–" is a missing one."""
    names = [_clip(name) for name in list(values)[:top]]
    margin = max(map(len, names))
    grey, plain = (f"\033[38;5;{GREY}m", "\033[0m") if color else ("", "")
    lines = [
        f"{grey}{name:<{margin}}{plain}  {_clip(_value(value))}"
        for name, value in zip(names, values.values(), strict=False)
    ]
    if len(values) > top:
        lines.append(f"{grey}… and {len(values) - top} more{plain}")
    return "\n".join(lines)


def round_alike(*numbers: float) -> list[str]:
    """Numbers to compare, with as many decimals as show four digits of the largest."""
    largest = max(map(abs, numbers)) or 1
    decimals = max(0, 3 - math.floor(math.log10(largest)))
    return [f"{number:.{decimals}f}" for number in numbers]


def _value(value: Any) -> str:
    if np.ndim(value):
        return f"{np.size(value)} values"
    if value is None or value == "" or value != value:
        return "–"
    if isinstance(value, float | np.floating):
        return f"{value:.{15 if float(value).is_integer() else 6}g}"
    return str(value)


def _clip(text: str) -> str:
    """A text on one line, without what a terminal would obey."""
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _shrink(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average square blocks so that neither side is longer than `LARGEST`."""
    step = -(-max(pixels.shape) // LARGEST)
    if step == 1:
        return pixels
    height, width = (side // step * step for side in pixels.shape)
    blocks = pixels[:height, :width].reshape(height // step, step, width // step, step)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _enlarge(pixels: NDArray[np.float64], smallest: int) -> NDArray[np.float64]:
    """Interpolate between the pixels so that the longer side is at least `smallest`."""
    factor = -(-smallest // max(pixels.shape))
    rows, columns = (_interpolation(side, factor) for side in pixels.shape)
    return rows @ pixels @ columns.T


def _interpolation(side: int, factor: int) -> NDArray[np.float64]:
    """The weights (side * factor, side) of linear interpolation between pixel centres."""
    places = np.clip((np.arange(side * factor) + 0.5) / factor - 0.5, 0, side - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(places[:, None] - np.arange(side))))
