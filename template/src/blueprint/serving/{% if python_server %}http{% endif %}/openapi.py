"""What the server takes and answers, as OpenAPI, with an example for the model in service."""

from typing import Any

import msgspec

from .holder import Served
from .v1 import json_type

JSON = "application/json"
ERROR = msgspec.defstruct("Error", [("error", str)])


def describe(name: str, served: Served, more: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI 3.1 document for the model in service, with `more` paths of other protocols."""
    signature = served.model.signature
    answer = msgspec.defstruct("Answer", [("predictions", list[json_type(signature.output)])])  # type: ignore[misc]
    types = [served.v1.body, answer, ERROR]
    (request, predictions, _), components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": name,
            "version": served.version,
            "description": f"{signature.task} · model version {served.version}",
        },
        "paths": {
            f"/v1/models/{name}:predict": {
                "post": post("Predict (V1)", request, {"instances": instances(served)}, predictions)
            },
            f"/v1/models/{name}": get("The version in service"),
            f"/v1/models/{name}/metadata": get("Inputs, output and classes"),
            **more,
            "/readyz": get("200 when a model is in service, else 503"),
            "/healthz": get("200 while the process lives"),
            "/metrics": get("What Prometheus scrapes", "text/plain"),
        },
        "components": {"schemas": components},
    }


def instances(served: Served) -> list[dict[str, Any]]:
    """Rows for the example: what was kept with the model, or rows without content."""
    if served.example:
        return list(served.example["instances"])
    arrays, tensors = served.model.example(), served.model.signature.inputs
    empty = {t.name: None if t.nullable else arrays[t.name][0] for t in tensors}
    return [{name: getattr(value, "tolist", lambda v=value: v)() for name, value in empty.items()}]


def post(summary: str, body: Any, example: Any, answer: Any) -> dict[str, Any]:
    """An operation that takes and answers JSON of such schemas."""
    error = {
        "description": "what is wrong, and where",
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {JSON: {"schema": body, "example": example}}},
        "responses": {
            "200": {"description": "the predictions", "content": {JSON: {"schema": answer}}},
            "4XX": error,
            "5XX": error,
        },
    }


def get(summary: str, media: str = JSON) -> dict[str, Any]:
    """A path that answers without being asked for more."""
    return {
        "get": {
            "summary": summary,
            "responses": {"200": {"description": summary, "content": {media: {}}}},
        }
    }
