"""A receiver of OTLP over HTTP on loopback, and a server that tells it of its requests."""

import gzip
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Receiver:
    """What a collector of traces got: spans by their names."""

    def __init__(self) -> None:
        self.spans: dict[str, Any] = {}
        self.resource: dict[str, str] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                content = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    content = gzip.decompress(content)
                receiver.take(ExportTraceServiceRequest.FromString(content))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, request: ExportTraceServiceRequest) -> None:
        for each in request.resource_spans:
            self.resource = attributes(each.resource)
            for scope in each.scope_spans:
                self.spans |= {span.name: span for span in scope.spans}


def attributes(of: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


@contextmanager
def receiving() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()


@contextmanager
def serving(
    store: Any, started: Callable[..., Any], port: int, workers: int = 1, **environment: str
) -> Iterator[Any]:
    store.deploy("1", answer=3)
    options = {"store": str(store.path), "port": port, "log_requests": True, "workers": workers}
    script = store.path / "serve.py"
    script.write_text(
        "from blueprint.serving.server import run\n"
        "from blueprint.serving.settings import Serving\n\n"
        f"if __name__ == '__main__':\n    run(Serving(**{options!r}), 'digits')\n"
    )
    environment = {"OTEL_BSP_SCHEDULE_DELAY": "100", **environment}
    with started([sys.executable, str(script)], port, store.path / "log", **environment) as server:
        yield server


def line_of(server: Any, request_id: str) -> dict[str, Any]:
    """A request's line in the server's log, which is written after the answer."""
    end = time.monotonic() + 60
    while True:
        whole = server.log.rpartition("\n")[0]  # the last line may be half written
        lines = [json.loads(line) for line in whole.splitlines()]
        if found := [line for line in lines if line.get("request_id") == request_id]:
            return dict(found[0])
        assert time.monotonic() < end, f"no line of {request_id} in {server.log}"
        time.sleep(0.02)
