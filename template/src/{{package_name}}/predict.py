"""`make predict`: one real test row to the running server, and its answer beside the picture."""

import json
import random
import sys
import time
import urllib.error
import urllib.request
from typing import Any

from .data import Dataset
from .drawing import draw_bars, draw_image, use_color
from .errors import UserError
from .targets import runs


def predict(url: str, name: str, row: int | None = None) -> None:
    """Send `row` (default: a random one) of the newest test set, and print what came back."""
    test = Dataset(runs.newest("load-data/test_data"))
    rows = test.schema.rows
    row = random.randrange(rows) if row is None else row
    if not 0 <= row < rows:
        raise UserError(f"--row {row}: the test set has rows 0 to {rows - 1}")
    example = test.scan().slice(row, 1).collect()
    image, truth = example["image"].to_numpy()[0], example[test.schema.label][0]
    begin = time.perf_counter()
    body = json.dumps({"instances": [{"image": image.tolist()}]}).encode()
    answer, version = _post(f"{url}/v1/models/{name}:predict", body)
    elapsed = (time.perf_counter() - begin) * 1000
    probabilities = answer["predictions"][0]
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    color = use_color(sys.stdout)
    print(draw_image(image, color=color))
    print(draw_bars(test.schema.classes, probabilities, color=color))
    verdict = "right" if test.schema.classes[best] == truth else "wrong"
    print(
        f"test row {row} is {truth!r}; version {version} says {test.schema.classes[best]!r} "
        f"({probabilities[best]:.1%}, {verdict}) in {elapsed:.1f} ms"
    )


def _post(url: str, body: bytes) -> tuple[dict[str, Any], str]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response), response.headers.get("X-Model-Version", "?")
    except urllib.error.HTTPError as error:
        raise UserError(f"{url} answered {error.code}: {error.read().decode()[:300]}") from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        text = f"no server answers at {url} ({reason}): start `make serve` first"
        raise UserError(text) from None
