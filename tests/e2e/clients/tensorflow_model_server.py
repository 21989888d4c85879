"""Stands in for TensorFlow Serving's program where there is no container registry to take it from.

It takes that program's flags, reads and follows its configuration, loads the SavedModel with
TensorFlow, and answers as the program's source says: http_rest_api_util.cc, json_tensor.cc,
server.cc of release 2.20. Configuration and answers go through its own protos, where a package has
them. What it cannot prove is that the program does the same.
"""

import argparse
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    json_format,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse, ModelVersionStatus
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

COUNTER = ":tensorflow:serving:request_count"
MODEL = r"(?i)/v1/models/([^/:]+)(?:/versions/(\d+))?"
PREDICT, STATUS = re.compile(rf"{MODEL}:predict"), re.compile(rf"{MODEL}(/metadata)?")
INT64, BOOL, TEXT = ".google.protobuf.Int64Value", ".google.protobuf.BoolValue", 9
# Messages that no Python package has: the fields of session_bundle_config.proto's
# BatchingParameters and of monitoring_config.proto, by number, name and type.
MESSAGES: dict[str, list[tuple[int, str, Any]]] = {
    "BatchingParameters": [
        (1, "max_batch_size", INT64),
        (2, "batch_timeout_micros", INT64),
        (3, "max_enqueued_batches", INT64),
        (4, "num_batch_threads", INT64),
        (8, "enable_large_batch_splitting", BOOL),
        (9, "max_execution_batch_size", INT64),
    ],
    "PrometheusConfig": [(1, "enable", 8), (2, "path", TEXT)],
    "MonitoringConfig": [(1, "prometheus_config", ".standin.PrometheusConfig")],
}


def declare() -> None:
    """Make MESSAGES known to protobuf."""
    file = descriptor_pb2.FileDescriptorProto(name="standin.proto", package="standin")
    file.syntax = "proto3"
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for title, fields in MESSAGES.items():
        described = file.message_type.add(name=title)
        for number, field, kind in fields:
            typed = {"type": kind} if isinstance(kind, int) else {"type": 11, "type_name": kind}
            described.field.add(name=field, number=number, label=1, **typed)
    descriptor_pool.Default().Add(file)


def read(name: str, path: Path) -> Any:
    """One of MESSAGES, read from its text form as the program reads it."""
    described = descriptor_pool.Default().FindMessageTypeByName(f"standin.{name}")
    return text_format.Parse(path.read_text(), message_factory.GetMessageClass(described)())


class RefusedError(Exception):
    """A request that is answered with an error: its status and message."""


class Loaded:
    """One version of the model."""

    def __init__(self, path: Path) -> None:
        self.saved = tf.saved_model.load(str(path))  # its variables live as long as it does
        self.run = self.saved.signatures["serving_default"]
        [(self.input, self.spec)] = self.run.structured_input_signature[1].items()
        meta = SavedModel.FromString((path / "saved_model.pb").read_bytes()).meta_graphs[0]
        self.signatures = SignatureDefMap(signature_def=meta.signature_def)


class Models:
    """The version that the configuration names; a new one takes over once it is loaded."""

    def __init__(self, config: Path, seconds: float, batching: Any) -> None:
        self.config, self.batching = config, batching
        self.states: dict[int, str] = {}
        self.counts: dict[str, int] = {}
        self.lock = threading.Lock()
        self.version = 0
        self.loaded: Loaded
        self.follow()
        threading.Thread(target=self.poll, args=(seconds,), daemon=True).start()

    def poll(self, seconds: float) -> None:
        while True:
            time.sleep(seconds)
            self.follow()

    def follow(self) -> None:
        parsed = text_format.Parse(self.config.read_text(), ModelServerConfig())
        [model] = parsed.model_config_list.config
        [version] = model.model_version_policy.specific.versions
        assert model.model_platform == "tensorflow"
        if version == self.version:
            return
        self.name = model.name
        self.states[version] = "LOADING"
        self.loaded = Loaded(Path(model.base_path, str(version)))
        self.states[version], old, self.version = "AVAILABLE", self.version, version
        if old:
            self.states[old] = "END"

    def predict(self, body: bytes) -> str:
        request = parse(body)
        if "instances" not in request:
            raise RefusedError(400, "Missing 'inputs' or 'instances' key")
        loaded = self.loaded
        array = tensor(request["instances"], loaded.input, loaded.spec.dtype.as_numpy_dtype)
        if self.batching and len(array) > self.batching.max_batch_size.value:
            limit = self.batching.max_batch_size.value
            text = f"Task size {len(array)} is larger than maximum input batch size {limit}"
            raise RefusedError(400, text)
        try:
            [answer] = loaded.run(**{loaded.input: tf.constant(array)}).values()
        except (tf.errors.InvalidArgumentError, TypeError, ValueError) as error:
            raise RefusedError(400, str(error)[:500]) from error
        return f'{{\n    "predictions": {written(answer.numpy())}\n}}'

    def status(self) -> str:
        response = GetModelStatusResponse()
        for version, state in sorted(self.states.items(), reverse=True):
            response.model_version_status.add(
                version=version, state=ModelVersionStatus.State.Value(state), status={}
            )
        return as_json(response)

    def metadata(self) -> str:
        spec = {"name": self.name, "signature_name": "", "version": str(self.version)}
        signatures = json.loads(as_json(self.loaded.signatures))
        return json.dumps({"model_spec": spec, "metadata": {"signature_def": signatures}})

    def count(self, status: int) -> None:
        outcome = "OK" if status == 200 else "INVALID_ARGUMENT"
        with self.lock:
            self.counts[outcome] = self.counts.get(outcome, 0) + 1

    def metrics(self) -> str:
        lines = [f"# TYPE {COUNTER} counter"]
        for outcome, number in self.counts.items():
            lines.append(f'{COUNTER}{{model_name="{self.name}",status="{outcome}"}} {number}')
        return "\n".join(lines) + "\n"


def as_json(response: Any) -> str:
    return json_format.MessageToJson(
        response, always_print_fields_with_no_presence=True, preserving_proto_field_name=True
    )


def parse(body: bytes) -> dict[str, Any]:
    """The object in a body; what follows it is not looked at."""
    try:
        found, _ = json.JSONDecoder().raw_decode(body.decode().lstrip())
    except ValueError as error:
        raise RefusedError(400, f"JSON Parse error: {error}") from error
    if not isinstance(found, dict):
        raise RefusedError(400, "JSON Value: Is not object")
    return found


def tensor(instances: Any, name: str, dtype: type) -> np.ndarray:
    """The rows of a request for a model with one input: all objects, or all bare values."""
    if not isinstance(instances, list) or not instances:
        raise RefusedError(400, "Expecting 'instances' to be an list/array with values")
    objects, rows, shape = isinstance(instances[0], dict), [], None
    for place, row in enumerate(instances):
        at = f"Failed to process element: {place} of 'instances' list."
        if isinstance(row, dict) != objects:
            raise RefusedError(400, f"Expecting one of object and value/list at item {place}")
        if objects and row.keys() != {name}:
            raise RefusedError(400, f"{at} JSON object: keys must be equal to: {name}")
        value = row[name] if objects else row
        found = shape_of(value)
        rows.append([checked(leaf, dtype) for leaf in leaves(value, found)])
        shape = found if shape is None else shape
        if found != shape:
            raise RefusedError(400, f"{at} Expecting shape {list(shape)} but got: {list(found)}")
    return np.array(rows).astype(dtype).reshape(len(rows), *(shape or ()))


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape that the first elements say."""
    if not isinstance(value, list):
        return ()
    return (len(value), *(shape_of(value[0]) if value else ()))


def leaves(value: Any, shape: tuple[int, ...], level: int = 0) -> Iterator[Any]:
    if not isinstance(value, list):
        if level != len(shape):
            raise RefusedError(400, f"JSON Value: {value} found at incorrect level: {level + 1}")
        yield value
        return
    if level >= len(shape) or len(value) != shape[level]:
        raise RefusedError(400, f"Encountered list at unexpected level or size: {level}")
    for item in value:
        yield from leaves(item, shape, level + 1)


def checked(value: Any, dtype: type) -> Any:
    """A number that the JSON parser calls one; a small integer that is too large is cut to size."""
    kind = np.dtype(dtype).kind
    fits = isinstance(value, int | float if kind == "f" else int) and not isinstance(value, bool)
    if not fits or (kind in "iu" and not -(2**31) <= value < 2**31):
        text = f"JSON Value: {str(value)[:50]} is not of expected type: {np.dtype(dtype).name}"
        raise RefusedError(400, text)
    return value


def written(values: np.ndarray) -> str:
    """Numbers in six digits, or as many as it takes."""
    if values.ndim:
        return f"[{', '.join(map(written, values))}]"
    short = f"{values:g}"
    text = short if np.float32(short) == values else f"{values:.9g}"
    return text if re.search(r"[.e]", text) else f"{text}.0"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    models: Models
    monitoring: Any

    def do_GET(self) -> None:
        prometheus = self.monitoring and self.monitoring.prometheus_config
        if prometheus and prometheus.enable and self.path == prometheus.path:
            self.answer(200, self.models.metrics(), "text/plain")
        elif not (found := STATUS.fullmatch(self.path)):
            self.malformed()
        elif found[1] != self.models.name:
            self.refuse(404, f"Could not find any versions of model {found[1]}")
        else:
            self.answer(200, self.models.metadata() if found[3] else self.models.status())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not (found := PREDICT.fullmatch(self.path)):
            self.malformed()
            return
        if found[1] != self.models.name or found[2] not in (None, str(self.models.version)):
            self.refuse(404, f"Servable not found for request: Latest({found[1]})")
            return
        try:
            text = self.models.predict(body)
        except RefusedError as refusal:
            status, reason = refusal.args
            self.models.count(status)
            self.refuse(status, reason)
        else:
            self.models.count(200)
            self.answer(200, text)

    def malformed(self) -> None:
        if self.path.lower().startswith("/v1/"):
            self.refuse(400, f"Malformed request: {self.command} {self.path}")
        else:
            self.answer(404, "<h1>Not Found</h1>", "text/html")

    def refuse(self, status: int, reason: str) -> None:
        self.answer(status, json.dumps({"error": reason}))

    def answer(self, status: int, text: str, kind: str = "application/json") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--port", type=int, default=8500)  # of gRPC
    parser.add_argument("--grpc_socket_path", default="")
    parser.add_argument("--rest_api_port", type=int, required=True)
    parser.add_argument("--model_config_file", type=Path, required=True)
    parser.add_argument("--model_config_file_poll_wait_seconds", type=float, required=True)
    parser.add_argument("--enable_batching", action="store_true")
    parser.add_argument("--batching_parameters_file", type=Path)
    parser.add_argument("--monitoring_config_file", type=Path)
    given = parser.parse_args()
    if not given.port and not given.grpc_socket_path:
        parser.error("At least one of grpc_port or grpc_socket_path must be set.")
    declare()
    batching, monitoring = given.batching_parameters_file, given.monitoring_config_file
    if batching and not given.enable_batching:
        parser.error("batching_parameters_file is set without setting enable_batching to true.")
    parameters = batching and read("BatchingParameters", batching)
    Handler.monitoring = monitoring and read("MonitoringConfig", monitoring)
    seconds = given.model_config_file_poll_wait_seconds
    Handler.models = Models(given.model_config_file, seconds, parameters)
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", given.rest_api_port), Handler).serve_forever()


if __name__ == "__main__":
    main()
