"""`make predict`: one real test row to the running server, and its answer beside the row."""

import json
import random
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import runs
from .data import Dataset, Schema, as_instance
from .drawing import draw_bars, draw_image, draw_row, round_alike, use_color
from .errors import UserError


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
    took = f"in {(time.perf_counter() - begin) * 1000:.1f} ms"
    version = version or _in_service(f"{url}/v1/models/{name}")
    prediction = _prediction(answer, schema)
    color = use_color(sys.stdout)
    print(_draw(values, color))
    if not schema.classes:
        said, true, off = round_alike(prediction, truth, abs(prediction - truth))
        print(f"prediction {said} · truth {true} · off by {off} {took}", end=" ")
        print(f"(test row {row}, version {version})")
        return
    best = max(range(len(prediction)), key=prediction.__getitem__)
    verdict = "right" if schema.classes[best] == truth else "wrong"
    print(draw_bars(schema.classes, prediction, color=color))
    print(
        f"test row {row} is {truth!r}; version {version} says {schema.classes[best]!r} "
        f"({prediction[best]:.1%}, {verdict}) {took}"
    )


def _draw(values: Mapping[str, Any], color: bool) -> str:
    """The pictures among the values, or else all values as a table."""
    images = [value for value in values.values() if np.ndim(value) > 1]
    if images:
        return "\n\n".join(draw_image(image, color) for image in images)
    return draw_row(values, color=color) + "\n"


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
