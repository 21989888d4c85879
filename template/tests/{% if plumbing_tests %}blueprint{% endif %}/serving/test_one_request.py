"""docs/metrics.md, "Follow one request": the answer, the log, the trace, the log of predictions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from serving.collector import attributes, line_of, receiving, serving

import blueprint.monitoring.prediction_log
import blueprint.monitoring.tracing  # noqa: F401

BODY = json.dumps({"instances": [[[0] * 8] * 8] * 2}).encode()
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_one_request_is_followed_from_the_client_to_the_log_of_predictions(
    store: Any,
    started: Callable[..., Any],
    free_port: int,
    wait_for: Callable[..., None],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "predictions"
    sent = {"X-Request-Id": "order-4711", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}

    def there() -> bool:
        return len(receiver.spans) == 2 and bool(files())

    def files() -> list[Path]:
        return [path for path in folder.rglob("*.parquet") if "date=" in str(path)]

    with receiving() as receiver:
        given = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "MLOPS_PREDICTION_LOG__SHARE": "1",  # other tests log nothing
            "MLOPS_PREDICTION_LOG__PATH": str(folder),
            "MLOPS_PREDICTION_LOG__FLUSH_SECONDS": "0.2",
        }
        with serving(store, started, free_port, **given) as server:
            answer = server.predict(BODY, **sent)
            wait_for(there, "spans and rows")
            line = line_of(server, "order-4711")
    assert answer.headers["X-Request-Id"] == "order-4711"
    assert line["trace_id"] == TRACE
    span = receiver.spans["POST v1 predict"]
    assert (span.trace_id.hex(), attributes(span)["ml.request.id"]) == (TRACE, "order-4711")
    rows = pl.concat(pl.read_parquet(path, hive_partitioning=False) for path in files())
    found = rows.filter(pl.col("request_id") == "order-4711")
    assert found["row"].to_list() == [0, 1]
    assert found["prediction"].to_list() == ["3", "3"]
    assert set(found["version"]) == {answer.headers["X-Model-Version"]}
