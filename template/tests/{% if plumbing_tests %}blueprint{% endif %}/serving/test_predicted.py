"""Which classes a real server says that it predicted, and what a canary's gate makes of it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest

from blueprint.deploy import canary, samples
from blueprint.deploy.settings import Canary
from blueprint.serving import predicted

PREDICT = "/v1/models/digits:predict"
IMAGE = np.zeros((8, 8), int).tolist()


def body(rows: int = 1) -> bytes:
    return json.dumps({"instances": [IMAGE] * rows}).encode()


def counted(url: Any) -> dict[str, float]:
    """As the gate reads it."""
    page = httpx.get(f"{url}/metrics").text
    read = samples.from_pods(lambda path: page, "team", 8080)
    return dict(read(["digits-1"])["digits-1"].predicted)


def test_each_instance_counts_for_its_class(server: Any) -> None:
    url = server.http.base_url
    before = counted(url).get("3", 0)
    for content in (body(), body(5), b"{}"):
        server.predict(content)
    assert counted(url) == {"3": before + 6}


def test_workers_count_together(store: Any, running: Callable[..., Any]) -> None:
    store.deploy("1", answer=3)
    with running(store.path, workers=2) as server:
        for _ in range(6):
            httpx.post(f"{server.http.base_url}{PREDICT}", content=body()).raise_for_status()
        assert counted(server.http.base_url) == {"3": 6}


def test_a_canary_that_predicts_another_class_is_stopped(
    store: Any, running: Callable[..., Any]
) -> None:
    found = []
    for answer in (3, 3, 8):
        store.deploy(str(len(found) + 1), answer=answer)
        with running(store.path) as server:
            server.predict(body(200))
            found.append(canary.Sample(200, predicted=counted(server.http.base_url)))
    stable, same, other = found
    limits = Canary(min_requests=100)
    assert canary.evaluate(same, stable, limits).word == canary.GO_ON
    verdict = canary.evaluate(other, stable, limits)
    assert verdict.word == canary.STOP
    assert "it predicts other values: distance 1.00" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("classes", "series"),
    [((), 0), (tuple(map(str, range(predicted.MOST))), 2), (tuple(map(str, range(500))), 0)],
)
def test_only_a_few_classes_are_counted(
    classes: tuple[str, ...], series: int, tmp_path: Path
) -> None:
    """None of a number that is predicted, none of hundreds of classes."""
    from prometheus_client import CollectorRegistry

    own = CollectorRegistry()
    predictions = np.eye(max(2, len(classes)), dtype=np.float32)[:2]
    written = []

    async def work(served: Any, read: Any, size: int) -> Any:
        _, write = read()
        return write(predictions)

    api = SimpleNamespace(work=work, metrics=SimpleNamespace(own=own))
    assert predicted.routes(api) == []
    served = SimpleNamespace(model=SimpleNamespace(signature=SimpleNamespace(classes=classes)))
    read = ([], lambda rows: written.append(rows) or (b"answer", {}))
    assert asyncio.run(api.work(served, lambda: read, 10)) == (b"answer", {})
    assert len(written) == 1
    totals = [s for m in own.collect() for s in m.samples if s.name.endswith("_total")]
    assert len(totals) == series
    assert {each.value for each in totals} <= {1.0}
