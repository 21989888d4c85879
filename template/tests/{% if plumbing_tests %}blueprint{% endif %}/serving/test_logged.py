"""A real server whose requests are logged: whatever happens to it or to the log, it answers."""

import json
import os
import re
import signal
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import polars as pl
import pytest

import blueprint.serving.connections  # noqa: F401  the server whose processes are these
from blueprint.monitoring.prediction_log.reading import scan
from blueprint.monitoring.prediction_log.settings import PredictionLog

BODY = json.dumps({"instances": [[[7] * 8] * 8]}).encode()


@pytest.fixture
def log(tmp_path):
    return PredictionLog(path=str(tmp_path / "log"))


@pytest.fixture
def serve(serve_logged):
    return serve_logged


class Clients:
    """Clients that ask as fast as they can: what they were answered, and how long it took."""

    def __init__(self, url, number):
        self.url, self.codes, self.seconds, self.ids = url, Counter(), [], []
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(number)]

    def _ask(self, client):
        number = 0
        apart = httpx.Limits(max_keepalive_connections=0)  # each request may reach each worker
        with httpx.Client(base_url=self.url, timeout=20, limits=apart) as http:
            while not self._end.is_set():
                number += 1
                given = f"c{client}-{number}"
                begin = time.perf_counter()
                try:
                    answer = http.post(
                        "/v1/models/digits:predict", content=BODY, headers={"X-Request-Id": given}
                    )
                except httpx.TransportError:  # the server was killed
                    return
                self.seconds.append(time.perf_counter() - begin)
                self.codes[answer.status_code] += 1
                self.ids.append(given)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join()


def numbers(server):
    """The metrics of the log, by name and reason."""
    text = server.http.get("/metrics").text
    found = re.findall(r'^prediction_log_(\w+)(?:{.*?reason="(\w+)".*})? (\S+)$', text, re.M)
    return {
        reason or name.removesuffix("_total"): float(value)
        for name, reason, value in found
        if not name.endswith("_created")
    }


def test_a_request_is_in_the_log_by_the_id_that_its_client_got(serve, log, wait_for):
    with serve() as server:
        answers = [server.predict(BODY) for _ in range(5)]
        named = server.predict(BODY, **{"X-Request-Id": "mine"})
        assert server.predict(b"{}").status_code == 400
        wait_for(lambda: numbers(server)["rows"] == 6, "the log")
        assert time.time() - numbers(server)["last_flush_timestamp_seconds"] < 60

    rows = scan(log, "digits").collect().sort("time")
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert rows["request_id"].to_list() == [*ids, "mine"]
    assert named.headers["x-request-id"] == "mine"
    assert set(rows["prediction"]) == {"3"}
    assert set(rows["version"]) == {"1"}
    assert set(rows["route"]) == {"v1"}
    assert rows["input.brightness"].to_list() == [7.0] * 6


def test_the_end_of_the_server_loses_nothing(serve, log, wait_for):
    def writers():
        return {path.name.split("-")[2] for path in Path(log.path).rglob("*.parquet")}

    with (
        serve("flush_seconds=2", serving={"workers": 2}) as server,
        Clients(server.http.base_url, 4) as clients,
    ):
        wait_for(lambda: len(writers()) == 2, "a file of each worker")

    assert set(clients.codes) == {200}
    rows = scan(log, "digits").collect()
    assert sorted(rows["request_id"]) == sorted(clients.ids)


def test_a_share_of_the_requests_is_logged(serve, log):
    with serve("share=0.3", "flush_seconds=1000") as server:
        for _ in range(400):
            server.predict(BODY)

    assert 70 < len(scan(log, "digits").collect()) < 170


def test_kill_9_loses_what_was_not_written_and_nothing_else(serve, log, wait_for):
    with (
        pytest.raises(AssertionError),  # it does not end as it should
        serve("flush_rows=20") as server,
        Clients(server.http.base_url, 4) as clients,
    ):
        wait_for(lambda: len(clients.ids) > 200, "load")
        written = numbers(server)["rows"]
        os.killpg(server.process.pid, signal.SIGKILL)

    files = list(Path(log.path).rglob("*.parquet"))
    assert min(len(pl.read_parquet(file)) for file in files) > 0
    found = scan(log, "digits").collect()["request_id"]
    assert len(found) >= written > 0
    asked = {f"c{client}-{number}" for client in range(4) for number in range(1, len(clients.ids))}
    assert set(found) <= asked


def test_a_full_disk_fails_no_request(serve, log, wait_for):
    # Files may have 3 kB: the writer gets an error in the middle, as from a full disk.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))"
    with serve("buffer_mb=0.1", "flush_seconds=1", prepare=limit) as server:
        with Clients(server.http.base_url, 4) as clients:
            wait_for(lambda: numbers(server)["storage"] > 100, "drops")
        assert set(clients.codes) == {200}
        assert "predictions are not logged, tried again" in server.log
        assert "File too large" in server.log
    assert list(Path(log.path).rglob("*.parquet*")) == []


def test_a_bucket_that_does_not_answer_fails_no_request(serve, wait_for):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        aws = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "me",
            "AWS_SECRET_ACCESS_KEY": "hush",
            "AWS_REGION": "us-east-1",
        }
        begin = time.monotonic()
        with serve("path=s3://bucket", "buffer_mb=0.1", **aws) as server:
            with Clients(server.http.base_url, 4) as clients:
                wait_for(
                    lambda: numbers(server)["overload"] + numbers(server)["storage"] > 100, "drops"
                )
            assert set(clients.codes) == {200}
            assert max(clients.seconds) < 5
            begin = time.monotonic()
        assert time.monotonic() - begin < 15  # the end does not wait for the bucket either


def test_a_bucket_gets_the_log(serve, bucket, tmp_path):
    path = f"{bucket}/{tmp_path.name}"
    with serve(f"path={path}") as server:
        for _ in range(3):
            server.predict(BODY)

    assert len(scan(PredictionLog(path=path), "digits").collect()) == 3


def test_ten_times_the_load_is_counted_to_the_last_request(serve, log, wait_for):
    words = ("buffer_mb=0.05", "flush_rows=50", "flush_seconds=1")
    with serve(*words) as server:
        with Clients(server.http.base_url, 16) as clients:
            time.sleep(4)
        asked = clients.codes.total()
        assert set(clients.codes) == {200}

        def counted():
            found = numbers(server)
            return found["rows"] + found["overload"] == asked

        wait_for(counted, "the log")
        assert numbers(server)["storage"] == 0
        rows = numbers(server)["rows"]
    assert len(scan(log, "digits").collect()) == rows


def test_without_a_key_the_server_says_what_it_does_not_log(serve, log):
    with serve('hashed=["image"]', "flush_seconds=1000") as server:
        server.predict(BODY)
        assert "MLOPS_PREDICTION_LOG__KEY is not set" in server.log

    rows = scan(log, "digits").collect()
    assert not [name for name in rows.columns if name.startswith("input.")]


def test_a_share_of_nothing_is_no_log(serve, log):
    with serve("share=0") as server:
        server.predict(BODY)
        assert "prediction_log" not in server.http.get("/metrics").text

    assert not Path(log.path).exists()
