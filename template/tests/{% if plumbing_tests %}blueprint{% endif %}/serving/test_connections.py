"""Connections: silent or endless ones, and requests that are sent just before the end."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from blueprint.serving.connections import MAX_HEAD

BODY = json.dumps({"instances": [[[0] * 8] * 8]}).encode()
PREDICT = b"POST /v1/models/digits:predict HTTP/1.1\r\n"
WHOLE = PREDICT + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
LARGE = b"x" * 100_000
TOO_LARGE = f"the head is larger than {MAX_HEAD} bytes"


def connect(server: Any, sent: bytes = b"") -> socket.socket:
    client = socket.create_connection((server.http.base_url.host, server.http.base_url.port))
    client.settimeout(20)
    client.sendall(sent)
    return client


def read(client: socket.socket) -> tuple[int, Any]:
    """The status and the content that came until the server closed; (0, None) if nothing did."""
    with client, client.makefile("rb") as stream:
        try:
            answer = stream.read()
        except ConnectionError:
            answer = b""
    head, _, content = answer.partition(b"\r\n\r\n")
    return (int(head[9:12]), json.loads(content)) if head else (0, None)


def test_idle_connections_keep_nobody_out(store: Any, running: Callable[..., Any]) -> None:
    store.deploy("1")
    with running(store.path, max_connections=20) as server:
        beginnings = [b"", b"GET /healthz HT", WHOLE[:-9], WHOLE] * 20
        idle = [connect(server, beginning) for beginning in beginnings]
        for _ in range(20):
            assert httpx.get(f"{server.http.base_url}/healthz").status_code == 200
        for client in idle:
            client.close()
        assert server.predict(BODY).status_code == 200
        assert server.log.count("more than 20 connections") == 1  # a line now and then


def test_each_connection_has_its_share_of_time(store: Any, running: Callable[..., Any]) -> None:
    store.deploy("1")
    with running(store.path, timeout_seconds=1, keep_alive_seconds=2) as server:
        silent = [connect(server, sent) for sent in (b"", b"\r\n", WHOLE)]
        slow = connect(server, PREDICT)
        start = time.monotonic()
        assert read(slow) == (408, {"error": "the head took longer than 1 s"})
        for client in silent:
            client.settimeout(5)
            while client.recv(1000):
                pass
        assert 1.5 < time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("sent", "code", "message"),
    [
        (b"nonsense\r\n\r\n", 400, "this is no request in HTTP/1.1"),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "this is no request in HTTP/1.1"),
        (b"CONNECT x:1 HTTP/1.1\r\n\r\n", 400, "this is no request in HTTP/1.1"),
        (PREDICT + b"Transfer-Encoding: chunked\r\n\r\nx", 400, "this is no request in HTTP/1.1"),
        (PREDICT + b"X: " + LARGE, 431, TOO_LARGE),
        (PREDICT + b"X: " + LARGE + b"\r\n\r\n", 431, TOO_LARGE),
        (PREDICT + b"X: y\r\n" * 9000, 431, TOO_LARGE),
        (b"GET /" + LARGE, 431, TOO_LARGE),
        (
            PREDICT + b"Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n0\r\nX: " + LARGE * 5,
            431,
            TOO_LARGE,
        ),
    ],
    ids=["text", "length", "connect", "chunk", "header", "headers", "many", "path", "trailer"],
)
def test_what_is_no_request_is_refused_in_json(
    server: Any, sent: bytes, code: int, message: str
) -> None:
    assert read(connect(server, sent)) == (code, {"error": message})
    assert server.predict(BODY).status_code == 200


def test_an_upgrade_is_not_taken_but_answered(server: Any) -> None:
    upgrade = b"GET /healthz HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert read(connect(server, upgrade)) == (200, {"live": True, "status": "alive"})
    assert "WebSocket" not in server.log


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_sent_before_the_end_is_answered(
    store: Any, running: Callable[..., Any], workers: int
) -> None:
    store.deploy("1", answer=3, work=1)
    with running(store.path, workers=workers, max_waiting=1000) as server:
        busy = [connect(server, WHOLE) for _ in range(30)]
        queued = [connect(server) for _ in range(32)]
        for client in queued:
            client.sendall(WHOLE)
        server.process.terminate()
        with ThreadPoolExecutor(62) as pool:
            codes = [code for code, _ in pool.map(read, [*busy, *queued])]
        assert codes == [200] * 62
        assert server.process.wait(20) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_hangup_ends_it_as_a_terminal_that_is_closed_does(
    store: Any, running: Callable[..., Any], workers: int
) -> None:
    store.deploy("1", answer=3, work=20)
    with running(store.path, workers=workers) as server:
        clients = [connect(server, WHOLE) for _ in range(4)]
        time.sleep(0.1)
        os.killpg(server.process.pid, signal.SIGHUP)
        assert [read(client)[0] for client in clients] == [200] * 4
        assert server.process.wait(20) == 0


def test_a_second_ctrl_c_ends_it_at_once(store: Any, running: Callable[..., Any]) -> None:
    store.deploy("1", answer=3, work=40)
    with pytest.raises(AssertionError, match="as expected"), running(store.path) as server:
        clients = [connect(server, WHOLE) for _ in range(60)]  # work for seconds
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.7)
        server.process.send_signal(signal.SIGINT)
        code = server.process.wait(5)
        assert code == 128 + signal.SIGINT
        assert read(clients[-1]) == (0, None)
        raise AssertionError("as expected: it did not end with 0")
