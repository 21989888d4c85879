"""What a real server tells Prometheus: errors, the model, and what is in requests."""

import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving.tiny_models import CHANCES, PRICE, write_picture_model, write_table_model

import blueprint.monitoring.server  # noqa: F401
from blueprint.model import digest
from blueprint.registry import store

IMAGE = [[0] * 8] * 8
PREDICT = "/v1/models/digits:predict"
REFERENCE = {
    "features": {
        "age": {"dtype": "float64", "min": 18.0, "max": 90.0, "deciles": [20.0] * 9},
        "home city": {"dtype": "string", "categories": {"Mainz": 5, "Ulm": 3}},
        "owns.house": {"dtype": "boolean", "categories": {"true": 5, "false": 3}},
    },
    "predictions": {"deciles": [100.0 * n for n in range(1, 10)]},
}


def samples(server: Any) -> dict[str, float]:
    """Every sample of a scrape: `name{label=value,…}` → value."""
    text = server.http.get("/metrics").text
    return {
        sample.name + "{" + ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items())) + "}": (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def body(*instances: object) -> bytes:
    return json.dumps({"instances": instances}).encode()


def row(**values: object) -> dict[str, object]:
    return {"age": 42, "home city": "Mainz", "owns.house": True} | values


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory, running: Callable[..., Any]) -> Iterator[Any]:
    """A regression whose version has a reference."""
    folder = tmp_path_factory.mktemp("store")
    model = write_table_model(folder / "made", PRICE)
    (model / "reference.json").write_text(json.dumps(REFERENCE))
    store.deploy(model, "1", folder, "digits")
    with running(folder) as server:
        yield server


def test_errors_are_counted_by_kind_and_nothing_is_left_under_way(server: Any) -> None:
    before = samples(server).get("predict_errors_total{kind=request,route=v1}", 0)
    server.predict(b"{}")
    server.predict(b"x" * 200_000)
    server.http.post("/v1/models/someone-elses:predict", content=body(IMAGE))
    found = samples(server)
    assert found["predict_errors_total{kind=request,route=v1}"] == before + 1
    assert found["predict_errors_total{kind=too_large,route=v1}"] >= 1
    assert found["predict_errors_total{kind=name,route=v1}"] >= 1
    assert found["predict_in_flight{}"] == 0


def test_the_model_in_service_is_told_by_its_hash(server: Any, tmp_path: Path) -> None:
    sha256 = digest(write_picture_model(tmp_path / "same", answer=3))
    found = samples(server)
    assert found[f"model_hash_info{{sha256={sha256},version=1}}"] == 1
    assert 0 < found["model_load_seconds{}"] < 60
    assert abs(time.time() - found["model_loaded_timestamp_seconds{}"]) < 600


def test_classes_are_counted_and_only_those_of_the_signature(server: Any) -> None:
    before = samples(server).get("model_predictions_total{class=3}", 0)
    server.predict(body(IMAGE, IMAGE))
    found = samples(server)
    assert found["model_predictions_total{class=3}"] == before + 2
    classes = {key for key in found if key.startswith("model_predictions_total")}
    assert classes == {f"model_predictions_total{{class={n}}}" for n in range(10)}


def test_inputs_are_held_to_the_training_data(prices: Any) -> None:
    answer = prices.predict(
        body(
            row(),
            row(age=17.5),
            row(age=None),
            row(**{"home city": "Erdmannhausen"}),
            row(**{"home city": None}),
        )
    )
    assert answer.status_code == 200
    found = samples(prices)
    assert found["model_input_values_total{feature=age}"] == 5
    assert found["model_input_missing_total{feature=age}"] == 1
    assert found["model_input_out_of_range_total{feature=age}"] == 1
    assert found["model_input_missing_total{feature=home city}"] == 1
    assert found["model_input_unseen_total{feature=home city}"] == 1
    assert "model_input_unseen_total{feature=owns.house}" not in found
    # 521, 276, 501, 422, 402: by tenths of what the reference's rows were predicted
    buckets = {n: found[f"model_predictions_total{{bucket={n}}}"] for n in range(10)}
    assert {n: count for n, count in buckets.items() if count} == {2: 1, 4: 2, 5: 2}


def test_a_client_invents_no_label(prices: Any) -> None:
    words = ("invented", "Erfunden", "a%22b")
    for word in words:
        prices.http.post(f"/v1/models/{word}:predict", content=body(row()))
        prices.predict(body(row(**{word: 1})))
        prices.predict(body(row(**{"home city": word})), **{"X-Request-Id": word})
        prices.http.post(f"/v2/models/{word}/infer", content=b"{}")
    text = prices.http.get("/metrics").text
    assert not re.search("|".join(words), text)


def test_many_rows_are_counted_without_being_kept(prices: Any) -> None:
    before = samples(prices)
    assert prices.predict(body(*[row()] * 1500)).status_code == 200
    found = samples(prices)
    counted = {key: found[key] - before.get(key, 0) for key in found}
    assert counted["model_predictions_total{bucket=5}"] == 1500
    assert 512 <= counted["model_input_values_total{feature=age}"] <= 1500
    before = samples(prices)
    for _ in range(100):
        prices.predict(body(*[row()] * 100))
    counted = samples(prices)
    label = "model_predictions_total{bucket=5}"
    assert counted[label] == before[label] + 100 * 100
    label = "model_input_values_total{feature=age}"
    assert 0 < counted[label] - before[label] <= 100 * 100


@pytest.mark.parametrize("content", [None, "{", '{"features": [1]}'])
def test_without_a_reference_a_model_is_served_and_its_inputs_are_not_counted(
    content: str | None, tmp_path: Path, running: Callable[..., Any]
) -> None:
    model = write_table_model(tmp_path / "made", CHANCES)
    if content:
        (model / "reference.json").write_text(content)
    store.deploy(model, "1", tmp_path, "digits")
    with running(tmp_path) as server:
        assert server.predict(body(row())).status_code == 200
        found = samples(server)
        assert found["model_predictions_total{class=yes}"] == 1
        assert not [key for key in found if key.startswith("model_input")]
        assert ("not as expected" in server.log) is bool(content)


def test_pictures_are_described_by_three_numbers(
    tmp_path: Path, running: Callable[..., Any]
) -> None:
    model = write_picture_model(tmp_path / "made", answer=3)
    ranges = {name: {"min": 1.0, "max": 9.0} for name in ("brightness", "contrast", "sharpness")}
    (model / "reference.json").write_text(json.dumps({"features": ranges, "predictions": {}}))
    store.deploy(model, "1", tmp_path, "digits")
    with running(tmp_path) as server:
        server.predict(body(IMAGE, IMAGE))
        found = samples(server)
        for name in ranges:
            assert found[f"model_input_out_of_range_total{{feature={name}}}"] == 2


def test_workers_count_together_and_one_that_is_killed_leaves_nothing_under_way(
    store: Any, running: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    """A worker that ends in the middle of a request would count it as under way for ever."""
    pytest.importorskip("blueprint.serving.connections")  # BentoML's processes are its own
    store.deploy("1", answer=3)
    with running(store.path, workers=2) as server:
        url = server.http.base_url
        for _ in range(4):
            httpx.post(f"{url}{PREDICT}", content=body(IMAGE)).raise_for_status()

        def counted(name: str) -> float:
            return samples(server).get(name, 0)

        wait_for(lambda: counted("model_predictions_total{class=3}") == 4, "the other worker")
        head = f"POST {PREDICT} HTTP/1.1\r\nContent-Length: 100\r\n\r\n"
        with socket.create_connection((url.host, url.port)) as client:
            client.sendall(head.encode())
            wait_for(lambda: counted("predict_in_flight{}") == 1, "a request under way")
            children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
            for pid in children.read_text().split():
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(int(pid), signal.SIGKILL)
            assert client.recv(1) == b""

        def forgotten() -> bool:
            with suppress(httpx.TransportError):
                return counted("predict_in_flight{}") == 0
            return False

        wait_for(forgotten, "what was under way to be forgotten")
        assert counted("model_predictions_total{class=3}") == 4


def test_an_observer_that_fails_fails_no_request(
    store: Any, started: Callable[..., Any], free_port: int
) -> None:
    store.deploy("1", answer=3)
    script = store.path / "serve.py"
    script.write_text(
        "import sys\n"
        "from blueprint.monitoring.server.observer import ServerMetrics\n"
        "from blueprint.serving.server import run\n"
        "from blueprint.serving.settings import Serving\n\n"
        "def fail(self, observation):\n    raise RuntimeError('on purpose')\n\n"
        "ServerMetrics.observe = fail\n"
        f"run(Serving(store={str(store.path)!r}, port={free_port}), 'digits')\n"
    )
    with started([sys.executable, str(script)], free_port, store.path / "log") as server:
        assert server.predict(body(IMAGE)).status_code == 200
        assert server.predict(b"{}").status_code == 400
        assert "on purpose" in server.log
