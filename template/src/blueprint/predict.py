"""`make predict`: one real test row to the running server, and its answer beside the row."""

import json
import math
import random
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image
from rich.bar import Bar
from rich.color import Color
from rich.console import Console, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from . import runs
from .data import Dataset, Schema, as_instance
from .errors import UserError

LARGEST, SMALLEST = 32, 16  # pixels of a picture's longer side, as drawn
ASCII_RAMP = " .:-=+*#%@"
ROWS, CLASSES = 12, 3  # of a table, and of the most probable classes
WIDTH = 40  # of a name or value, and of a bar


def predict(url: str, name: str, row: int | None = None) -> None:
    """Send `row` (default: a random one) of the newest test set, and print what came back."""
    test = Dataset(runs.newest("load-data/test_data"))
    schema = test.schema
    row = random.randrange(schema.rows) if row is None else row
    if not 0 <= row < schema.rows:
        raise UserError(f"--row {row}: the test set has rows 0 to {schema.rows - 1}")
    example = test.scan().slice(row, 1).collect()
    values = {feature: example[feature].to_numpy()[0] for feature in schema.features}
    truth = example[schema.label][0]
    begin = time.perf_counter()
    body = json.dumps({"instances": [as_instance(values, schema.features)]}).encode()
    answer, version = _post(f"{url}/v1/models/{name}:predict", body)
    milliseconds = (time.perf_counter() - begin) * 1000
    version = version or _in_service(f"{url}/v1/models/{name}")
    prediction = _prediction(answer, schema)
    console = Console(highlight=False)
    images = [value for value in values.values() if np.ndim(value) > 1]
    for image in images:
        console.print(draw_image(image, console))
    if not images:
        console.print(draw_row(values))
    console.print()
    if schema.classes:
        best = int(np.argmax(prediction))
        console.print(draw_bars(schema.classes, prediction))
        verdict = "right" if schema.classes[best] == truth else f"wrong: it is {truth}"
        text = f"predicted {schema.classes[best]} ({prediction[best]:.1%}), {verdict}"
    else:
        predicted, true, off = round_alike(prediction, truth, abs(prediction - truth))
        text = f"predicted {predicted}, true {true}, off by {off}"
    console.print(_clean(text))
    console.print(_clean(f"test row {row}, version {version}, {milliseconds:.1f} ms"))


def draw_image(image: np.ndarray, console: Console) -> Text:
    """A picture (h, w) or (h, w, c) in grey, from 0 to its own maximum; small ones are enlarged.

    With colour, a character holds two pixels, one above the other; without, a pixel is two
    characters of an ASCII ramp.
    """
    pixels = np.asarray(image, np.float32)
    pixels = (pixels.mean(axis=2) if pixels.ndim == 3 else pixels) / max(pixels.max(), 1)
    scale = min(LARGEST / max(pixels.shape), max(1, math.ceil(SMALLEST / max(pixels.shape))))
    height, width = (max(1, round(side * scale)) for side in pixels.shape)
    resized = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    grey = np.rint(np.asarray(resized) * 255).astype(int).clip(0, 255)
    if console.color_system is None or console.no_color:
        ramp = [[ASCII_RAMP[value * len(ASCII_RAMP) // 256] * 2 for value in line] for line in grey]
        return Text("\n".join("".join(line).rstrip() for line in ramp))
    text = Text()
    for upper, lower in zip(grey[::2], np.vstack([grey[1:], 0 * grey[:1]])[::2], strict=True):
        for above, below in zip(upper, lower, strict=True):
            front, back = (Color.from_rgb(value, value, value) for value in (above, below))
            text.append("▀", Style(color=front, bgcolor=back))
        text.append("\n")
    text.rstrip()
    return text


def draw_bars(names: tuple[str, ...], probabilities: list[float]) -> RenderableType:
    """The most probable classes, best first, one bar a line."""
    shares = np.nan_to_num(np.asarray(probabilities, np.float64))
    best = np.argsort(-shares, kind="stable")[:CLASSES]
    grid = _grid()
    for rank, k in enumerate(best):
        color = "blue" if rank == 0 else "bright_black"
        bar = Bar(1, 0, float(shares[k]), width=WIDTH, color=color)
        grid.add_row(_clean(names[k]), bar, f"{probabilities[k]:.1%}")
    return grid


def draw_row(values: Mapping[str, Any]) -> RenderableType:
    """The first values of a row under each other, after their names; "–" is a missing one."""
    grid = _grid()
    for name, value in list(values.items())[:ROWS]:
        grid.add_row(_clean(name), _clean(_value(value)))
    if len(values) > ROWS:
        grid.add_row(f"… and {len(values) - ROWS} more")
    return grid


def round_alike(*numbers: float) -> list[str]:
    """Numbers to compare, with as many decimals as show four digits of the largest."""
    largest = max(map(abs, numbers)) or 1
    decimals = max(0, 3 - math.floor(math.log10(largest)))
    return [f"{number:.{decimals}f}" for number in numbers]


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bright_black", no_wrap=True, max_width=WIDTH - 10)
    grid.add_column(no_wrap=True, max_width=WIDTH)
    return grid


def _clean(text: str) -> Text:
    """A text on one line, without what a terminal would obey."""
    return Text("".join(letter if letter.isprintable() else "\ufffd" for letter in text))


def _value(value: Any) -> str:
    if np.ndim(value):
        return f"{np.size(value)} values"
    if value is None or value == "" or value != value:
        return "–"
    if isinstance(value, float | np.floating):
        return f"{value:.{15 if float(value).is_integer() else 6}g}"
    return str(value)


def _prediction(answer: Any, schema: Schema) -> Any:
    """The one prediction: a probability for each class, or a number."""
    try:
        [prediction] = answer["predictions"]
        classes = len(prediction) if isinstance(prediction, list) else 0
    except (KeyError, TypeError, ValueError):
        raise UserError(f"the server's answer is no prediction: {str(answer)[:100]}") from None
    if classes != len(schema.classes):
        expected = f"{len(schema.classes)} classes" if schema.classes else "a number"
        raise UserError(
            f"the server predicts {f'{classes} classes' if classes else 'a number'}, the newest "
            f"test set has {expected}: its model is of other data; put a new one in service"
        )
    return prediction


def _post(url: str, body: bytes) -> tuple[Any, str]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response), response.headers.get("X-Model-Version", "")
    except urllib.error.HTTPError as error:
        raise UserError(f"{url} answered {error.code}: {error.read().decode()[:300]}") from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        text = f"no server answers at {url} ({reason}): start `make serve` first"
        raise UserError(text) from None


def _in_service(url: str) -> str:
    """The version that the model's status names: answers of TensorFlow Serving name none."""
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            states = json.load(response)["model_version_status"]
        return next(str(each["version"]) for each in states if each["state"] == "AVAILABLE")
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return "?"
