"""Traces of a real server, as a receiver of OTLP on loopback gets them."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from serving.collector import Receiver, attributes, line_of, receiving, serving

import blueprint.monitoring.tracing  # noqa: F401

IMAGE = [[0] * 8] * 8
BODY = json.dumps({"instances": [IMAGE, IMAGE]}).encode()
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.mark.parametrize("workers", [1, 2])
def test_a_request_is_followed_from_the_client_to_the_prediction(
    store: Any,
    started: Callable[..., Any],
    free_port: int,
    wait_for: Callable[..., None],
    receiver: Receiver,
    workers: int,
) -> None:
    sent = {"X-Request-Id": "order-4711", "traceparent": f"00-{TRACE}-{PARENT}-01"}
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    with serving(store, started, free_port, workers, **given) as server:
        answer = server.predict(BODY, **sent)
        assert answer.headers["X-Request-Id"] == "order-4711"
        wait_for(lambda: len(receiver.spans) == 2, "the spans")
        line = line_of(server, "order-4711")
    assert (line["trace_id"], line["status"]) == (TRACE, 200)
    request, prediction = receiver.spans["POST v1 predict"], receiver.spans["predict"]
    assert request.trace_id.hex() == prediction.trace_id.hex() == TRACE
    assert request.parent_span_id.hex() == PARENT
    assert prediction.parent_span_id == request.span_id
    assert request.start_time_unix_nano <= prediction.start_time_unix_nano
    assert prediction.end_time_unix_nano <= request.end_time_unix_nano
    found = attributes(request)
    assert found["ml.model.name"] == attributes(prediction)["ml.model.name"] == "digits"
    assert (found["ml.model.version"], found["ml.request.id"]) == ("1", "order-4711")
    assert (found["ml.request.rows"], found["http.response.status_code"]) == (2, 200)
    assert receiver.resource["service.name"] == "digits"


def test_a_rejected_request_has_a_span_and_the_last_ones_are_sent_at_the_end(
    store: Any, started: Callable[..., Any], free_port: int, receiver: Receiver
) -> None:
    given = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_BSP_SCHEDULE_DELAY": "600000",
        "OTEL_SERVICE_NAME": "another",
    }
    with serving(store, started, free_port, **given) as server:
        own = server.predict(b"{}").headers["X-Request-Id"]
        assert len(line_of(server, own)["trace_id"]) == 32
        assert not receiver.spans
    [span] = receiver.spans.values()
    assert attributes(span)["error.type"] == "request"
    assert attributes(span)["ml.request.id"] == own
    assert receiver.resource["service.name"] == "another"


def test_a_collector_that_is_not_there_holds_up_nobody(
    store: Any, started: Callable[..., Any], free_port: int
) -> None:
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with serving(store, started, free_port, **given) as server:
        for _ in range(50):
            assert server.predict(BODY).status_code == 200


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}, ""),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            },
            "no traces: OTLP by grpc is not there, only http/protobuf",
        ),
    ],
)
def test_there_are_none_unless_asked_for(
    variables: dict[str, str],
    said: str,
    store: Any,
    started: Callable[..., Any],
    free_port: int,
) -> None:
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in os.environ
    with serving(store, started, free_port, **variables) as server:
        request_id = server.predict(BODY).headers["X-Request-Id"]
        assert "trace_id" not in line_of(server, request_id)
        assert said in server.log
