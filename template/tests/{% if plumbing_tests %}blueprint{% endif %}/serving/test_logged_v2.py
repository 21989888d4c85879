"""Requests by V2 are logged as those by V1 are, each by itself even if predicted together."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import blueprint.serving.v2  # noqa: F401
from blueprint.monitoring.prediction_log.reading import scan
from blueprint.monitoring.prediction_log.settings import PredictionLog


def ask(server, value, rows=1):
    """Pictures of one brightness."""
    pictures = {
        "name": "image",
        "datatype": "UINT8",
        "shape": [rows, 8, 8],
        "data": [value] * (64 * rows),
    }
    return server.http.post("/v2/models/digits/infer", json={"inputs": [pictures]})


@pytest.mark.parametrize("batching", [False, True])
def test_each_request_is_logged_with_its_own_rows(batching, serve_logged, tmp_path):
    together = {"batching": {"wait_ms": 20}} if batching else {}
    with serve_logged(serving=together) as server, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda value: ask(server, value, rows=2), range(40)))

    assert {answer.status_code for answer in answers} == {200}
    rows = scan(PredictionLog(path=str(tmp_path / "log")), "digits").collect()
    assert set(rows["route"]) == {"v2"}
    for value, answer in enumerate(answers):
        own = rows.filter(request_id=answer.headers["x-request-id"]).sort("row")
        assert own["row"].to_list() == [0, 1]
        np.testing.assert_allclose(own["input.brightness"], value)
        assert set(own["prediction"]) == {"3"}
