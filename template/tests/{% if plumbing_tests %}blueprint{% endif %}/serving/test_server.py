import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from blueprint.errors import UserError
from blueprint.registry import store as model_store
from blueprint.serving.http import holder
from blueprint.serving.http.app import create_app
from blueprint.serving.server import run
from blueprint.serving.settings import Serving
from blueprint.serving.startup import bind

IMAGE = [[0] * 8] * 8
PREDICT = "/v1/models/digits:predict"


def body(*instances: object) -> bytes:
    return json.dumps({"instances": instances}).encode()


def pixel(value: object) -> list[list[object]]:
    image: list[list[object]] = [list(row) for row in IMAGE]
    image[1][2] = value
    return image


@pytest.mark.parametrize("content", [body(IMAGE, IMAGE), body({"image": IMAGE}, IMAGE)])
def test_instances_are_bare_or_objects(server: Any, content: bytes) -> None:
    response = server.predict(content)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-model-version"] == "1"
    predictions = response.json()["predictions"]
    assert [row.index(max(row)) for row in predictions] == [3, 3]


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_the_content_type_does_not_matter(server: Any, content_type: str) -> None:
    assert server.predict(body(IMAGE), content_type=content_type).status_code == 200


PIXEL = "instances[0].image[1][2]: expected integer"
BARE = "instances[0][1][2]: expected integer"
BAD = {
    "empty": (b"", "the body is not JSON"),
    "text": (b"hello", "the body is not JSON"),
    "not UTF-8": (b'{"instances": "\xff"}', "instances: expected list, got string"),
    "UTF-16": ('{"instances": [1]}'.encode("utf-16"), "the body is not JSON"),
    "cut short": (body(IMAGE)[:-3], "the body is not JSON"),
    "deep": (b'{"x":' * 15_000, "nested too deeply"),
    "a list": (b"[1]", "the body: expected object, got list"),
    "no instances": (b'{"inputs": []}', "instances: missing"),
    "null": (b'{"instances": null}', "instances: expected list, got null"),
    "none": (body(), "instances: expected list of length >= 1"),
    "scalar": (body(IMAGE, 1), "instances[1]: expected object or list, got integer"),
    "shape": (
        body(IMAGE, IMAGE, IMAGE, [[0] * 7] * 8),
        "instances[3][0]: expected list of length 8",
    ),
    "ragged": (body([*IMAGE[1:], [0]]), "instances[0][7]: expected list of length 8"),
    "missing": (body({}), "instances[0].image: missing"),
    "unknown": (body({"image": IMAGE, "x": 1}), "instances[0].x: unknown; the model takes image"),
    "text for a pixel": (body({"image": pixel("a")}), PIXEL + ", got string"),
    "null for a pixel": (body(pixel(None)), BARE + ", got null"),
    "true for a pixel": (body(pixel(True)), BARE + ", got boolean"),
    "object for a pixel": (body(pixel({})), BARE + ", got object"),
    "list for a pixel": (body(pixel([0])), BARE + ", got list"),
    "fraction": (body({"image": pixel(0.5)}), PIXEL + ", got number"),
    "too large": (body(pixel(256)), BARE + " <= 255"),
    "negative": (body({"image": pixel(-1)}), PIXEL + " >= 0"),
    "astronomical": (body(pixel(10**50)), BARE),
    "NaN": (body({"image": pixel(float("nan"))}), PIXEL + ", got NaN"),
    "Infinity": (body(pixel(float("-inf"))), BARE + ", got -Infinity"),
    "overflow": (body(pixel(7)).replace(b"7", b"1e999"), "instances[0][1][2]: "),
    "half of a pair": (body({"\ud800": 1}), "the body is not JSON"),
    "half of a pair as a value": (body(pixel("\udfff")), "the body is not JSON"),
    "deep instance": (b'{"instances":[%b]}' % (b"[" * 700 + b"]" * 700), "instances[0][0][0]"),
    "long key": (body({"x" * 9000: 1}), "instances[0].xxx"),
    "lines in a key": (body({"a\nb": 1}), "instances[0].a\\nb: unknown"),
    "endless digits": (body(pixel(7)).replace(b"7", b"7" * 9000), "instances[0][1][2]: "),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_body_is_rejected_and_the_field_named(server: Any, name: str) -> None:
    content, message = BAD[name]
    response = server.predict(content)
    assert response.status_code == 400
    assert message in response.json()["error"]
    assert len(response.json()["error"]) < 200
    assert server.predict(body(IMAGE)).status_code == 200


def test_a_body_over_the_limit_is_413(server: Any) -> None:
    for content in (b" " * 100_001, (b" " * 50_000 for _ in range(5))):
        response = server.http.post(PREDICT, content=content)
        assert response.status_code == 413
        assert response.json() == {"error": "the body is larger than 100000 bytes"}
    assert server.predict(body(IMAGE).ljust(100_000)).status_code == 200


def test_what_is_logged_of_a_request_is_short(server: Any) -> None:
    before = len(server.log)
    assert len(server.http.get("/v1/models/" + "x" * 9000).content) < 200
    assert server.predict(b'{"x":' * 600).status_code == 400
    assert len(server.log) - before < 1500


def test_a_compressed_body_is_415(server: Any) -> None:
    response = server.http.post(PREDICT, content=b"x", headers={"Content-Encoding": "gzip"})
    assert response.status_code == 415
    assert "Content-Encoding" in response.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "code", "message"),
    [
        ("POST", "/v1/models/other:predict", 404, "no model 'other' here, only 'digits'"),
        ("GET", "/v1/models/other", 404, "no model 'other' here, only 'digits'"),
        ("GET", "/v1/models/other/metadata", 404, "no model 'other' here, only 'digits'"),
        ("GET", "/nowhere", 404, "Not Found"),
        ("GET", "/v1/models/digits/", 404, "Not Found"),
        ("GET", PREDICT, 405, "Method Not Allowed"),
        ("PUT", PREDICT, 405, "Method Not Allowed"),
        ("DELETE", "/healthz", 405, "Method Not Allowed"),
    ],
)
def test_a_wrong_address_is_rejected(
    server: Any, method: str, path: str, code: int, message: str
) -> None:
    response = server.http.request(method, path)
    assert response.status_code == code
    assert message in response.json()["error"]


def test_a_client_that_goes_away_is_no_fault_of_the_server(server: Any) -> None:
    address = (server.http.base_url.host, server.http.base_url.port)
    with socket.create_connection(address) as client:
        client.sendall(f"POST {PREDICT} HTTP/1.1\r\nContent-Length: 9\r\n\r\n[".encode())
    assert server.predict(body(IMAGE)).status_code == 200
    assert "Traceback" not in server.log


def test_the_status_is_that_of_tf_serving_and_kserve(server: Any) -> None:
    assert server.http.get("/v1/models/digits").json() == {
        "name": "digits",
        "ready": True,
        "model_version_status": [
            {
                "version": "1",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ],
    }


def test_the_metadata_hold_the_signature(server: Any) -> None:
    metadata = server.http.get("/v1/models/digits/metadata").json()
    assert (metadata["name"], metadata["version"]) == ("digits", "1")
    image = {"name": "image", "dtype": "uint8", "shape": [8, 8], "nullable": False}
    assert metadata["signature"]["inputs"] == [image]
    assert metadata["signature"]["classes"] == list("0123456789")


def samples(http: httpx.Client) -> dict[str, float]:
    lines = http.get("/metrics").text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_the_metrics_count_requests_by_code(server: Any) -> None:
    before = samples(server.http)
    for content in (body(IMAGE), body(IMAGE), b"{}"):
        server.predict(content)
    after = samples(server.http)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert grown('predict_requests_total{code="200"}') == 2
    assert grown('predict_requests_total{code="400"}') == 1
    assert grown("predict_request_seconds_count") == 3
    assert after['model_info{name="digits",version="1"}'] == 1


def test_a_new_version_takes_over_without_a_failed_request(
    store: Any, running: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    store.deploy("1", answer=1)
    answers: list[tuple[int, str, int]] = []
    stop = threading.Event()
    with running(store.path) as server, ThreadPoolExecutor() as pool:

        def ask() -> None:
            while not stop.is_set():
                response = server.predict(body(IMAGE))
                row = response.json().get("predictions", [[]])[0] or [0]
                version = response.headers.get("x-model-version", "")
                answers.append((response.status_code, version, row.index(max(row))))

        asking = [pool.submit(ask) for _ in range(4)]
        try:
            for number in "12345":
                if number != "1":
                    store.deploy(number, answer=int(number))
                wait_for(lambda number=number: (200, number, int(number)) in answers, number)
        finally:
            stop.set()
        for asked in asking:
            asked.result()
    # Nobody failed, every answer is that of the version it names, and all versions were met.
    assert set(answers) == {(200, v, int(v)) for v in "12345"}


def test_another_model_with_the_same_number_takes_over(
    store: Any, running: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    """As when the registry was lost, and counts from 1 again."""
    store.deploy("1", answer=1)
    with running(store.path) as server:
        store.deploy("1", answer=2)

        def answer() -> int:
            [row] = server.predict(body(IMAGE)).json()["predictions"]
            return int(row.index(max(row)))

        wait_for(lambda: answer() == 2, "the other model")


def test_whatever_becomes_of_the_store_the_old_model_stays_until_there_is_a_new_one(
    store: Any, running: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    store.deploy("1", answer=1)
    with running(store.path) as server:
        folder = store.deploy("2")
        wait_for(lambda: "serving version 2" in server.log, "version 2")
        missing, truncated = "1" * 64, "2" * 64
        (folder.parent / f"3-{truncated[:12]}").mkdir()
        for file in folder.iterdir():
            copy = folder.parent / f"3-{truncated[:12]}" / file.name
            copy.write_bytes(file.read_bytes()[:-10])

        def special() -> None:
            store.pointer.unlink()
            os.mkfifo(store.pointer)

        for hurt in (
            lambda: store.point(json.dumps({"version": "3", "sha256": missing})),
            lambda: store.point(json.dumps({"version": "3", "sha256": truncated})),
            lambda: store.point("nonsense"),
            special,
        ):
            lines = server.log.count("ERROR")
            hurt()
            wait_for(lambda lines=lines: server.log.count("ERROR") > lines, "the line of log")
            time.sleep(0.2)  # it looks again, and says no more
            assert server.log.count("ERROR") == lines + 1
            assert server.predict(body(IMAGE)).headers["x-model-version"] == "2"
        assert "rejected, still serving 2: " in server.log
        assert "Traceback" not in server.log
        store.pointer.unlink()
        time.sleep(0.2)
        assert server.predict(body(IMAGE)).headers["x-model-version"] == "2"
        store.deploy("4", answer=4)
        wait_for(lambda: "serving version 4" in server.log, "version 4")
        assert server.predict(body(IMAGE)).headers["x-model-version"] == "4"


def test_a_read_that_fails_is_tried_again_and_never_keeps_it_from_stopping(
    store: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With the one call that a disk may fail or hang in: nothing else here can be made to."""
    folder = store.deploy("1")
    real, errors, hung = model_store.digest, iter([OSError(5, "I/O error"), SystemExit(3)]), Event()

    def digest(path: Path) -> str:
        if error := next(errors, None):
            raise error
        if hung.is_set():
            time.sleep(60)
        return real(path)

    monkeypatch.setattr(model_store, "digest", digest)
    monkeypatch.setattr(holder, "STOP_SECONDS", 0.1)
    held = holder.Holder(store.path, "digits", poll_seconds=0.01)
    held.start()
    while held.current is None:
        time.sleep(0.01)
    assert held.current.version == "1"
    assert [str(folder) in record.message for record in caplog.records if "I/O" in record.message]
    monkeypatch.setattr(model_store, "digest", real)
    store.deploy("2", answer=2)
    monkeypatch.setattr(model_store, "digest", digest)
    hung.set()
    time.sleep(0.1)
    start = time.monotonic()
    held.stop()
    assert time.monotonic() - start < 5


def test_a_slow_request_holds_up_no_other_and_is_finished_before_the_end(
    store: Any, running: Callable[..., Any]
) -> None:
    store.deploy("1", answer=1, work=40)
    with running(store.path) as server, ThreadPoolExecutor() as pool:
        slow = pool.submit(server.predict, body(IMAGE))
        time.sleep(0.02)
        assert server.http.get("/healthz").status_code == 200
        assert not slow.done()
        server.process.terminate()
        assert slow.result().status_code == 200


def test_workers_share_their_metrics(store: Any, running: Callable[..., Any]) -> None:
    store.deploy("1")
    with running(store.path, workers=2) as server:
        for _ in range(6):
            httpx.post(f"{server.http.base_url}{PREDICT}", content=body(IMAGE)).raise_for_status()
        assert samples(server.http)['predict_requests_total{code="200"}'] == 6


def test_ready_only_with_a_model(store: Any) -> None:
    app = create_app(Serving(store=store.path, poll_seconds=0.01), "digits")
    transport = httpx.ASGITransport(app)

    async def ask() -> None:
        async with (
            app.app.router.lifespan_context(app.app),
            httpx.AsyncClient(transport=transport, base_url="http://server") as http,
        ):
            assert (await http.get("/healthz")).status_code == 200
            for response in (await http.get("/readyz"), await http.post(PREDICT, content=b"")):
                assert response.status_code == 503
                assert response.json() == {"error": "no model is loaded yet"}
            store.deploy("1")
            async with asyncio.timeout(10):
                while (await http.get("/readyz")).status_code != 200:
                    await asyncio.sleep(0.01)

    asyncio.run(ask())


def test_no_model_deployed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no model of digits is in service in .*: run `make run`"):
        run(Serving.model_construct(store=tmp_path, port=0), "digits")


@pytest.mark.parametrize("file", ["model.onnx", "signature.json"])
def test_a_damaged_model_deployed(file: str, store: Any) -> None:
    with (store.deploy("1") / file).open("a") as damaged:
        damaged.write(" ")
    with pytest.raises(UserError, match=r"1-\w{12}: is damaged .*: `make promote VERSION=1`"):
        run(Serving.model_construct(store=store.path, port=0), "digits")


def test_a_port_in_use(store: Any) -> None:
    store.deploy("1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} is in use: .* `make serve PORT="):
            run(Serving(store=store.path, port=port), "digits")


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [
        ("no.such.host.invalid", 8080, "cannot listen on no.such.host.invalid:8080"),
        ("127.0.0.1", 99999, "port 99999: expected a number from 1 to 65535"),
    ],
)
def test_an_address_that_cannot_be(host: str, port: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        bind(host, port)


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("server", {"starlette", "onnxruntime", "uvicorn", "numpy"}),
        ("http.app", {"kfp", "mlflow", "polars", "pyarrow", "sklearn", "tensorflow", "keras"}),
    ],
)
def test_only_what_is_needed_is_imported(module: str, unwanted: set[str]) -> None:
    package = "blueprint"
    code = f"import sys, {package}.serving.{module}; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert unwanted.isdisjoint(loaded.split())
