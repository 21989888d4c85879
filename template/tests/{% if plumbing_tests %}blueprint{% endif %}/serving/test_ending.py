"""The end of a pod's server: no client that keeps a connection loses a request by it."""

import http.client
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from blueprint.serving.connections import GRACE_SECONDS
from blueprint.serving.pod.ending import SECONDS

BODY = json.dumps({"instances": [[[0] * 8] * 8]}).encode()


def ask(client: http.client.HTTPConnection) -> tuple[int, str | None]:
    """The status of an answer, and what it says of the connection."""
    client.request("POST", "/v1/models/digits:predict", BODY)
    answer = client.getresponse()
    answer.read()
    return answer.status, answer.getheader("connection")


@pytest.mark.parametrize("workers", [1, 2])
def test_who_keeps_a_connection_is_answered_and_told(
    store: Any, running: Callable[..., Any], workers: int
) -> None:
    store.deploy("1")
    with running(store.path, workers=workers) as server:
        address = server.http.base_url
        client = http.client.HTTPConnection(address.host, address.port, timeout=20)
        assert ask(client) == (200, None)
        server.process.terminate()
        time.sleep(GRACE_SECONDS + SECONDS / 4)
        assert ask(client) == (200, "close")
        assert server.process.wait(20) == 0
