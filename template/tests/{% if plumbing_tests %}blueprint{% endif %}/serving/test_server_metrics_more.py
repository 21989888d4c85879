"""The metrics of what a server may have beside V1: the V2 protocol, and requests in batches."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from serving.test_server_metrics import samples

import blueprint.serving.batching
import blueprint.serving.v2  # noqa: F401

IMAGE = np.zeros((8, 8), int).tolist()
BODY = json.dumps({"instances": [IMAGE]}).encode()
V2 = {"inputs": [{"name": "image", "datatype": "UINT8", "shape": [3, 8, 8], "data": [IMAGE] * 3}]}


def test_the_protocol_is_told_apart(server: Any) -> None:
    before = samples(server).get("model_predictions_total{class=3}", 0)
    infer = "/v2/models/digits/infer"
    assert server.http.post(infer, json=V2).status_code == 200
    assert server.http.post(infer, content=b"{}").status_code == 400
    assert server.http.post("/v2/models/digits/versions/9/infer", json=V2).status_code == 404
    found = samples(server)
    assert found["predict_errors_total{kind=request,route=v2}"] == 1
    assert found["predict_errors_total{kind=name,route=v2}"] == 1
    assert found["model_predictions_total{class=3}"] == before + 3
    assert found["predict_in_flight{}"] == 0


def test_rows_that_wait_and_rows_of_a_batch_are_told(
    store: Any, running: Callable[..., Any]
) -> None:
    store.deploy("1", answer=3, work=20)
    batching = {"wait_ms": 50, "max_rows": 16}
    with running(store.path, batching=batching) as server, ThreadPoolExecutor(16) as pool:
        codes = [each.status_code for each in pool.map(server.predict, [BODY] * 64)]
        assert codes == [200] * 64
        found = samples(server)
        assert found["predict_batch_rows_sum{}"] == 64
        assert found["predict_batch_rows_count{}"] < 64
        assert found["predict_queue_rows{}"] == 0
        assert found["model_predictions_total{class=3}"] == 64
