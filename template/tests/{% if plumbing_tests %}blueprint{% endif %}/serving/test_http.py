"""What every request gets: an id, a line of log when something is wrong, and its share of time."""

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

BODY = json.dumps({"instances": [[[0] * 8] * 8]}).encode()


def lines(server: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.splitlines()]


def test_every_answer_has_an_id_and_an_error_is_logged_with_it(
    server: Any, wait_for: Callable[..., None]
) -> None:
    assert server.predict(BODY, **{"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    rejected = server.predict(b"{}")
    own = rejected.headers["x-request-id"]
    assert len(own) == 32
    wait_for(lambda: own in server.log, "the line")
    [line] = [line for line in lines(server) if line.get("request_id") == own]
    assert (line["status"], line["method"]) == (400, "POST")
    assert line["path"] == "/v1/models/digits:predict"
    assert line["error"] == rejected.json()["error"]
    assert "abc-1" not in server.log  # nothing was wrong with it


@pytest.mark.parametrize("given", ["x" * 65, "a\tb", "a b", "a/b", ""])
def test_an_id_that_no_log_should_hold_is_replaced(server: Any, given: str) -> None:
    own = server.predict(BODY, **{"X-Request-Id": given}).headers["x-request-id"]
    assert own != given
    assert len(own) == 32


def test_all_requests_are_logged_when_asked(
    store: Any, running: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    store.deploy("1")
    with running(store.path, log_requests=True) as server:
        server.predict(BODY, **{"X-Request-Id": "abc-2"})
        wait_for(lambda: "abc-2" in server.log, "the line")
        [line] = [line for line in lines(server) if line.get("request_id") == "abc-2"]
        assert (line["status"], line["level"]) == (200, "INFO")
        assert line["ms"] > 0


def test_slow_clients_hold_up_nobody_and_are_given_up(
    store: Any, running: Callable[..., Any]
) -> None:
    store.deploy("1")
    head = f"POST /v1/models/digits:predict HTTP/1.1\r\nContent-Length: {len(BODY)}\r\n\r\n"
    with running(store.path, timeout_seconds=2, max_waiting=4) as server:
        address = (server.http.base_url.host, server.http.base_url.port)
        clients = [socket.create_connection(address) for _ in range(50)]
        for client in clients:
            client.sendall(head.encode() + BODY[:5])
        slowest = 0.0
        for _ in range(50):
            start = time.perf_counter()
            assert server.predict(BODY).status_code == 200
            slowest = max(slowest, time.perf_counter() - start)
        assert slowest < 1.5
        for client in clients:
            client.settimeout(20)
            assert client.recv(100).startswith(b"HTTP/1.1 408 ")
            client.close()
        assert server.predict(BODY).status_code == 200
