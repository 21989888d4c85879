"""A pod's BentoML, once it is about to end: each answer closes its connection."""

import http.client
import json
from collections.abc import Callable
from typing import Any

import bentoml  # noqa: F401  (where it is not, nothing here is to be tested)
import pytest

from blueprint.serving.pod.closing import MARK

PATHS = ("/v1/models/digits:predict", "/predict")  # the contract's, and BentoML's own
BODY = json.dumps({"instances": [[[0] * 8] * 8]}).encode()


@pytest.mark.parametrize("path", PATHS)
def test_who_keeps_a_connection_is_told(
    store: Any, running: Callable[..., Any], path: str, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(lambda: MARK.unlink(missing_ok=True))
    store.deploy("1")
    MARK.touch()  # of a container that was restarted, in the pod's /tmp
    with running(store.path) as server:
        address = server.http.base_url
        client = http.client.HTTPConnection(address.host, address.port, timeout=20)

        def ask() -> tuple[int, str | None]:
            client.request("POST", path, BODY, {"Content-Type": "application/json"})
            answer = client.getresponse()
            answer.read()
            return answer.status, answer.getheader("connection")

        assert [ask(), ask()] == [(200, None)] * 2
        MARK.touch()  # what the preStop hook does
        assert ask() == (200, "close")
