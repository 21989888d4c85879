"""Stands in for TensorFlow Serving's program where there is no container registry to take it from.

It takes that program's flags, reads and follows its configuration (through its own protos), loads
the SavedModel with TensorFlow, and speaks its REST API as documented:
https://www.tensorflow.org/tfx/serving/api_rest. What it cannot prove is that the program does so.
"""

import argparse
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format, text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

COUNTER = ":tensorflow:serving:request_count"
METRICS = "/monitoring/prometheus/metrics"


class RefusedError(Exception):
    """A request that is answered with an error: its status and message."""


class Models:
    """The one version that the configuration names, loaded; a new one takes over when it is."""

    def __init__(self, config: Path, seconds: float) -> None:
        self.config, self.seconds = config, seconds
        self.name, self.version, self.function = "", 0, None
        self.requests = 0
        self.load()
        threading.Thread(target=self.follow, daemon=True).start()

    def load(self) -> None:
        parsed = text_format.Parse(self.config.read_text(), ModelServerConfig())
        [model] = parsed.model_config_list.config
        [version] = model.model_version_policy.specific.versions
        if version != self.version:
            loaded = tf.saved_model.load(f"{model.base_path}/{version}")
            function = loaded.signatures["serving_default"]
            self.name, self.version, self.function = model.name, version, function
            self.loaded = loaded  # its variables live as long as it does

    def follow(self) -> None:
        while True:
            time.sleep(self.seconds)
            self.load()

    def predict(self, body: bytes) -> dict[str, Any]:
        try:
            rows = json.loads(body, parse_constant=_no_number)["instances"]
        except (ValueError, KeyError, TypeError) as error:
            raise RefusedError(400, f"Failed to process element: {error}") from error
        function = self.function
        [(name, spec)] = function.structured_input_signature[1].items()
        if not isinstance(rows, list) or not rows:
            raise RefusedError(400, "JSON Value: expected a non-empty list of instances")
        if len({isinstance(row, dict) for row in rows}) > 1:
            raise RefusedError(400, "JSON Value: instances are objects or bare values, not both")
        try:
            values = [_only(row, name) if isinstance(row, dict) else row for row in rows]
            array = np.array(values)
            if array.dtype.kind not in "iu" or array.shape[1:] != tuple(spec.shape[1:]):
                raise ValueError(f"expecting {spec}, got {array.dtype} of {array.shape}")
            info = np.iinfo(spec.dtype.as_numpy_dtype)
            if array.min() < info.min or array.max() > info.max:
                raise ValueError(f"a value is not of type {spec.dtype.name}")
        except (ValueError, TypeError) as error:
            raise RefusedError(
                400, f"Failed to process element: 0 of 'instances' list: {error}"
            ) from None
        [answer] = function(**{name: tf.constant(array, spec.dtype)}).values()
        self.requests += 1
        return {"predictions": answer.numpy().tolist()}


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number here")


def _only(row: dict[str, Any], name: str) -> Any:
    if set(row) != {name}:
        raise ValueError(f"the inputs are {sorted(row)}, expecting {name}")
    return row[name]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    models: Models

    def do_GET(self) -> None:
        models, base = self.models, f"/v1/models/{self.models.name}"
        if self.path == METRICS:
            line = f'{COUNTER}{{model_name="{models.name}",status="OK"}} {models.requests}\n'
            self.answer(200, f"# TYPE {COUNTER} counter\n{line}".encode(), "text/plain")
        elif self.path == base:
            status = {"error_code": "OK", "error_message": ""}
            version = {"version": str(models.version), "state": "AVAILABLE", "status": status}
            self.reply(200, {"model_version_status": [version]})
        elif self.path == f"{base}/metadata":
            inputs = models.function.structured_input_signature[1]
            described = {
                name: json_format.MessageToDict(spec.shape.as_proto())
                for name, spec in inputs.items()
            }
            definition = {"signature_def": {"serving_default": {"inputs": described}}}
            spec = {"name": models.name, "version": str(models.version)}
            self.reply(200, {"model_spec": spec, "metadata": {"signature_def": definition}})
        elif self.path.startswith("/v1/models/"):
            self.reply(404, {"error": f"Could not find any versions of model {self.path[11:]}"})
        else:
            self.reply(404, {"error": f"Malformed request: GET {self.path}"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path != f"/v1/models/{self.models.name}:predict":
            known = self.path.startswith("/v1/models/")
            text = "Servable not found for request: Latest" if known else "Malformed request"
            self.reply(404, {"error": text})
            return
        try:
            self.reply(200, self.models.predict(body))
        except RefusedError as refusal:
            status, message = refusal.args
            self.reply(status, {"error": message})

    def reply(self, status: int, content: object) -> None:
        self.answer(status, json.dumps(content).encode(), "application/json")

    def answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)  # of gRPC
    parser.add_argument("--rest_api_port", type=int, required=True)
    parser.add_argument("--model_config_file", type=Path, required=True)
    parser.add_argument("--model_config_file_poll_wait_seconds", type=float, required=True)
    parser.add_argument("--enable_batching", action="store_true")
    parser.add_argument("--batching_parameters_file", type=argparse.FileType())
    parser.add_argument("--monitoring_config_file", type=argparse.FileType())
    given = parser.parse_args()
    Handler.models = Models(given.model_config_file, given.model_config_file_poll_wait_seconds)
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", given.rest_api_port), Handler).serve_forever()


if __name__ == "__main__":
    main()
