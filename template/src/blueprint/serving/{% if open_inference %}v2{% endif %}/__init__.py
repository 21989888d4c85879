"""The Open Inference (V2) protocol beside V1: its routes, and what /openapi.json says of them."""

from functools import lru_cache
from typing import Any

from starlette.routing import Route
from starlette.types import Scope

from ..http import openapi
from ..http.app import Api
from ..http.holder import Served
from ..http.v1 import RequestError
from ..http.work import Answer, Slices, Write
from . import protocol

DIGITS = 15  # of a number of bytes; Python reads no more than 4,300
OBJECTS = {"type": "array", "items": {"type": "object"}}


def routes(api: Api) -> list[Route]:
    """The routes of the server, of the model, and of one version of it."""
    name = api.name

    def read(served: Served, scope: Scope, body: bytes) -> tuple[Slices, Write]:
        inputs, request = decoder(served)(body, _json_bytes(scope))

        def write(predictions: Any) -> Answer:
            output = served.model.signature.output
            content, head = protocol.encode(request, predictions, output, name, served.version)
            if head is None:
                return content, {"Content-Type": "application/json"}
            length = protocol.HEADER_LENGTH.decode()
            return content, {"Content-Type": "application/octet-stream", length: str(head)}

        return [inputs], write

    def metadata(**path: str) -> Any:
        served = api.find(**path)
        return protocol.metadata(served.model.signature, name, served.version)

    def ready(**path: str) -> Any:
        return {"name": api.find(**path or {"model": name}) and name, "ready": True}

    about = {"name": name, "version": "2", "extensions": ["binary_tensor_data"]}
    found = [
        api.get("/v2", lambda: about),
        api.get("/v2/health/live", lambda: {"live": True}),
        api.get("/v2/health/ready", ready),
    ]
    for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        found += [
            api.post(f"{model}/infer", read),
            api.get(model, metadata),
            api.get(f"{model}/ready", ready),
        ]
    return found


@lru_cache(4)
def decoder(served: Served) -> protocol.Decoder:
    """What reads requests for a model; made once."""
    return protocol.Decoder(served.model.signature)


def paths(name: str, served: Served) -> dict[str, Any]:
    """The paths of /openapi.json, with an example that works."""
    instances = openapi.instances(served)
    inputs = [
        {
            "name": tensor.name,
            "datatype": protocol.DATATYPES[tensor.dtype],
            "shape": [len(instances), *tensor.shape],
            "data": [instance[tensor.name] for instance in instances],
        }
        for tensor in served.model.signature.inputs
    ]
    body, answer = ({"type": "object", "properties": {k: OBJECTS}} for k in ("inputs", "outputs"))
    infer = openapi.post("Predict (V2)", body, {"inputs": inputs}, answer)
    return {
        f"/v2/models/{name}/infer": {"post": infer},
        f"/v2/models/{name}": openapi.get("Inputs and output, V2"),
    }


def _json_bytes(scope: Scope) -> int | None:
    """How much of a V2 body is JSON, where the header says so."""
    for key, value in scope["headers"]:
        if key == protocol.HEADER_LENGTH:
            if not value.isdigit() or len(value) > DIGITS:
                raise RequestError("Inference-Header-Content-Length: expected a number of bytes")
            return int(value)
    return None
