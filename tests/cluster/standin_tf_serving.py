"""Stands in for TensorFlow Serving's program in a pod, where its image cannot be had.

It takes that program's flags and configuration, and answers at its paths. The numbers come from the
ONNX file beside the SavedModel, so it needs no TensorFlow: what is proven is all around it.
tests/e2e/clients/tensorflow_model_server.py is the one that answers as the program does.
"""

import argparse
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import onnxruntime

COUNTER = ":tensorflow:serving:request_count"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name, version, session, counted = "", "", None, 0

    def do_GET(self):
        model = f"/v1/models/{self.name}"
        state = {"version": self.version, "state": "AVAILABLE", "status": {"error_code": "OK"}}
        known = {
            "/monitoring/prometheus/metrics": f"{COUNTER} {Handler.counted}\n",
            model: json.dumps({"model_version_status": [state]}),
            f"{model}/metadata": json.dumps({"model_spec": {"name": self.name}}),
        }
        found = known.get(self.path)
        self.answer(200 if found else 404, found or json.dumps({"error": "Not Found"}))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != f"/v1/models/{self.name}:predict":
            self.answer(404, json.dumps({"error": "Not Found"}))
            return
        given, rows = self.session.get_inputs()[0], json.loads(body)["instances"]
        kind = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}[given.type]
        values = [row[given.name] if isinstance(row, dict) else row for row in rows]
        [found, *_] = self.session.run(None, {given.name: np.array(values, kind)})
        Handler.counted += 1
        self.answer(200, json.dumps({"predictions": found.tolist()}))

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--port", type=int)
    parser.add_argument("--grpc_socket_path", required=True)
    parser.add_argument("--rest_api_port", type=int, required=True)
    parser.add_argument("--model_config_file", type=Path, required=True)
    parser.add_argument("--model_config_file_poll_wait_seconds", type=float)
    parser.add_argument("--enable_batching", action="store_true")
    parser.add_argument("--batching_parameters_file", type=Path)
    parser.add_argument("--monitoring_config_file", type=Path)
    given = parser.parse_args()
    config = given.model_config_file.read_text()
    [Handler.name] = re.findall(r'name: "(.+)"', config)
    [base] = re.findall(r'base_path: "(.+)"', config)
    [Handler.version] = re.findall(r"versions: (\d+)", config)
    saved = Path(base, Handler.version).resolve()
    assert (saved / "saved_model.pb").exists()
    Handler.session = onnxruntime.InferenceSession(str(saved.parents[1] / "model.onnx"))
    ThreadingHTTPServer(("0.0.0.0", given.rest_api_port), Handler).serve_forever()


if __name__ == "__main__":
    main()
