"""Spans of requests for predictions: the request, and in it the prediction. docs/metrics.md.

Off unless OTEL_EXPORTER_OTLP_ENDPOINT (or …_TRACES_ENDPOINT) is set: the standard variables say
everything. A request that comes with a `traceparent` continues that trace.
"""

import logging
import os
import time
from contextvars import ContextVar
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...serving.http.app import Api
    from ...serving.observers import Observation

log = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
INSTALL = "`uv sync --group tracing` installs it"
TRACE_ID: ContextVar[str] = ContextVar("trace_id", default="")
SPAN: ContextVar[Any] = ContextVar("span", default=None)


class Tracing:
    """Begins a span with a request and ends it with the answer. A thread of OpenTelemetry's sends
    them; when nobody takes them, they are dropped and the log says so."""

    def __init__(self, name: str) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.propagate import extract
        from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES are on top.
        resource = Resource.create({SERVICE_NAME: name}).merge(OTELResourceDetector().detect())
        provider = TracerProvider(resource=resource)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = provider.get_tracer("blueprint.serving", version("opentelemetry-sdk"))
        self._trace, self._extract, self._model = trace, extract, name
        self.provider, self._in_logs = provider, False

    def begin(self, scope: Any, route: str) -> None:
        """Begin the span of a request: its trace's id is in every line of log from here on."""
        if not self._in_logs:  # BentoML configures the log when the application is there
            self._in_logs = True
            for handler in logging.getLogger().handlers:
                handler.addFilter(with_trace)
        headers = {
            key.decode("latin-1"): value.decode("latin-1")
            for key, value in scope["headers"]
            if key in (b"traceparent", b"tracestate", b"baggage")
        }
        span = self._tracer.start_span(
            f"POST {route} predict",
            context=self._extract(headers),
            kind=self._trace.SpanKind.SERVER,
            attributes={"http.request.method": "POST", "url.path": scope["path"]},
        )
        SPAN.set(span)
        TRACE_ID.set(f"{span.get_span_context().trace_id:032x}")

    def observe(self, observation: "Observation") -> None:
        """End it, and write the span of the prediction into it."""
        span, now = SPAN.get(), time.time_ns()
        if span is None:
            return
        SPAN.set(None)
        start = now - round(observation.seconds * 1e9)
        span.set_attributes(
            {
                "http.response.status_code": observation.code,
                "ml.model.name": self._model,
                "ml.model.version": observation.version,
                "ml.request.id": observation.request_id,
                "ml.request.rows": observation.rows,
            }
        )
        if observation.kind:
            span.set_attribute("error.type", observation.kind)
        if observation.code >= 500:
            span.set_status(self._trace.StatusCode.ERROR)
        if observation.predicting:
            read, predicted = (start + round(each * 1e9) for each in observation.predicting)
            within = self._trace.set_span_in_context(span)
            child = self._tracer.start_span("predict", within, start_time=read)
            child.set_attribute("ml.model.name", self._model)
            child.set_attribute("ml.model.version", observation.version)
            if observation.kind in ("model", "timeout"):
                child.set_status(self._trace.StatusCode.ERROR)
            child.end(predicted)
        span.end(now)


def observer(api: "Api") -> Tracing | None:
    """What is told of each request; None where nothing asks for traces, or they cannot be had."""
    asked = [name for name in ENDPOINTS if os.environ.get(name)]
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if not asked or off or os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return None
    protocol = next((os.environ[name] for name in PROTOCOLS if os.environ.get(name)), "")
    if protocol not in ("", "http/protobuf"):
        log.warning("no traces: OTLP by %s is not there, only http/protobuf", protocol)
        return None
    try:
        tracing = Tracing(api.name)
    except ImportError:
        log.warning("%s is set, but OpenTelemetry is not installed: %s", asked[0], INSTALL)
        return None
    ending(api, tracing)
    return tracing


def ending(api: "Api", tracing: Tracing) -> None:
    """Have the server send the last spans when it ends."""
    stop = api.holder.stop

    def stopping() -> None:
        tracing.provider.shutdown()
        stop()

    api.holder.stop = stopping  # type: ignore[method-assign]


def with_trace(record: logging.LogRecord) -> bool:
    """A filter that rejects nothing: it gives a line of log the id of the trace."""
    if trace_id := TRACE_ID.get():
        record.fields = {"trace_id": trace_id, **getattr(record, "fields", {})}
    return True
