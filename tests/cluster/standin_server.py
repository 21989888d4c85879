"""Stands in for a model server in a pod: the same health, version, metrics and draining, and it
fails or waits as it is told. It needs Python and nothing else.

MODEL_VERSION is the version it says it serves, ERRORS the share of requests answered with 500,
WAIT the seconds that a prediction takes.
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = os.environ.get("MODEL_VERSION", "")
ERRORS, WAIT = float(os.environ.get("ERRORS", 0)), float(os.environ.get("WAIT", 0))
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, float("inf"))
counted = {"200": 0, "500": 0}
took = dict.fromkeys(BOUNDS, 0)
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path in ("/healthz", "/readyz"):
            self.answer(200, "{}")
        elif self.path == "/metrics":
            self.answer(200, metrics(), "text/plain; version=0.0.4")
        else:
            state = {"version": VERSION, "state": "AVAILABLE"}
            self.answer(200, json.dumps({"model_version_status": [state]}))

    def do_POST(self):
        start = time.perf_counter()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(WAIT)
        with lock:
            number = sum(counted.values()) + 1
            code = "500" if int(number * ERRORS) > int((number - 1) * ERRORS) else "200"
            counted[code] += 1
            seconds = time.perf_counter() - start
            for bound in BOUNDS:
                took[bound] += seconds <= bound
        self.answer(int(code), json.dumps({"predictions": [VERSION]}))

    def answer(self, code, text, kind="application/json"):
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Model-Version", VERSION)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def metrics():
    with lock:
        lines = ["# TYPE predict_requests_total counter"]
        lines += [f'predict_requests_total{{code="{c}"}} {n}' for c, n in counted.items() if n]
        lines.append("# TYPE predict_request_seconds histogram")
        name = "predict_request_seconds_bucket"
        lines += [f'{name}{{le="{b if b < 9 else "+Inf"}"}} {n}' for b, n in took.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if not VERSION:
        sys.exit("no version is pinned: `make deploy`")
    server = ThreadingHTTPServer(("0.0.0.0", 8080), Handler)
    server.daemon_threads = True
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
