"""What the server takes and gives, as OpenAPI, with an example for the model in service."""

from typing import Any

from ..model import Signature, Tensor
from .holder import Served
from .v2 import DATATYPES

JSON = "application/json"
KINDS = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "O": "string"}


def describe(name: str, served: Served) -> dict[str, Any]:
    """The OpenAPI 3.1 document for the model in service."""
    signature = served.model.signature
    instances = _instances(served)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": name,
            "version": served.version,
            "description": f"{signature.task} · model version {served.version}",
        },
        "paths": {
            f"/v1/models/{name}:predict": {"post": _predict(signature, instances)},
            f"/v2/models/{name}/infer": {"post": _infer(served, instances)},
            f"/v1/models/{name}": {"get": _get("The version in service")},
            f"/v1/models/{name}/metadata": {"get": _get("Inputs, output and classes")},
            f"/v2/models/{name}": {"get": _get("Inputs and output, V2")},
            "/readyz": {"get": _get("200 when a model is in service, else 503")},
            "/healthz": {"get": _get("200 while the process lives")},
            "/metrics": {"get": _get("What Prometheus scrapes", "text/plain")},
        },
    }


def _predict(signature: Signature, instances: list[Any]) -> dict[str, Any]:
    row = {
        "type": "object",
        "properties": {tensor.name: _schema(tensor) for tensor in signature.inputs},
        "required": [tensor.name for tensor in signature.inputs],
        "additionalProperties": False,
    }
    instance = {"anyOf": [row, _schema(signature.inputs[0])]} if len(signature.inputs) == 1 else row
    answer = {"predictions": {"type": "array", "items": _schema(signature.output)}}
    return _post(
        "Predict (V1)",
        {"instances": {"type": "array", "minItems": 1, "items": instance}},
        {"instances": instances},
        answer,
    )


def _infer(served: Served, instances: list[Any]) -> dict[str, Any]:
    signature = served.model.signature
    inputs = [
        {
            "name": tensor.name,
            "datatype": DATATYPES[tensor.dtype],
            "shape": [len(instances), *tensor.shape],
            "data": [instance[tensor.name] for instance in instances],
        }
        for tensor in signature.inputs
    ]
    items = {"type": "array", "items": {"type": "object"}}
    return _post("Predict (V2)", {"inputs": items}, {"inputs": inputs}, {"outputs": items})


def _instances(served: Served) -> list[Any]:
    """Rows for the example, as objects: what was kept with the model, or rows without content."""
    if served.example:
        return list(served.example["instances"])
    arrays = served.model.example()
    return [
        {
            tensor.name: None
            if tensor.nullable
            else arrays[tensor.name][0].tolist()
            if tensor.dtype != "string"
            else ""
            for tensor in served.model.signature.inputs
        }
    ]


def _schema(tensor: Tensor) -> dict[str, Any]:
    kind = KINDS[tensor.numpy_dtype.kind]
    schema: dict[str, Any] = {"type": [kind, "null"] if tensor.nullable else kind}
    for size in reversed(tensor.shape):
        schema = {"type": "array", "minItems": size, "maxItems": size, "items": schema}
    return schema


def _post(
    summary: str, properties: dict[str, Any], example: dict[str, Any], answer: dict[str, Any]
) -> dict[str, Any]:
    body = {"type": "object", "properties": properties, "required": list(properties)}
    error = {"description": "what is wrong, and where", "content": {JSON: {"schema": _error()}}}
    given = {"type": "object", "properties": answer}
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {JSON: {"schema": body, "example": example}}},
        "responses": {
            "200": {"description": "the predictions", "content": {JSON: {"schema": given}}},
            "4XX": error,
            "5XX": error,
        },
    }


def _error() -> dict[str, Any]:
    return {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}


def _get(summary: str, kind: str = JSON) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {"200": {"description": "as it says", "content": {kind: {}}}},
    }
