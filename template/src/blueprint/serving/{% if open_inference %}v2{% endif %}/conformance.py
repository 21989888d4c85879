"""The checks of the Open Inference (V2) protocol: JSON and bytes, written from its specification.

https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md
"""

import json
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..conformance import Answer, Check, Target, equal
from .protocol import DATATYPES

HEADER = "Inference-Header-Content-Length"
BINARY = {"binary_data_output": True}


def checks(target: Target) -> Iterator[tuple[str, Check]]:
    """Every check: its name and itself."""
    tensor, output = target.model.signature.inputs[0], target.model.signature.output
    for path in ("/v2", "/v2/health/live", "/v2/health/ready"):
        yield f"V2 {path}", lambda t, path=path: equal(t.ask(path).code, 200)  # type: ignore[misc]
    for path in (
        f"/v2/models/{target.name}",
        f"/v2/models/{target.name}/versions/{target.version}",
    ):
        yield f"V2 {path}", lambda t, path=path: metadata(t, path)  # type: ignore[misc]
        yield f"V2 {path}/infer", lambda t, p=path: right(t, t.ask(f"{p}/infer", request(t, 2)), 2)  # type: ignore[misc]
    for n in (1, 64):
        yield f"V2 {n} rows in JSON", lambda t, n=n: right(t, infer(t, request(t, n)), n)  # type: ignore[misc]
        yield f"V2 {n} rows in bytes", lambda t, n=n: right(t, in_bytes(t, n, parameters=BINARY), n)  # type: ignore[misc]
    yield "V2 bytes in, JSON out", lambda t: right(t, in_bytes(t, 2), 2)
    wanted = [{"name": output.name, "parameters": {"binary_data": True}}]
    yield "V2 JSON in, bytes out", lambda t: right(t, infer(t, request(t, 2, outputs=wanted)), 2)
    yield (
        "V2 the id comes back",
        same_id,
    )
    yield "V2 null is a missing value", gaps
    for key, value in {
        "datatype": "X",
        "shape": [2, 99, 99],
        "data": ["text"],
        "name": "x",
    }.items():
        value = [7] if key == "data" and tensor.dtype == "string" else value
        yield f"V2 rejects another {key}", lambda t, k=key, v=value: rejected(t, k, v)  # type: ignore[misc]
    yield (
        "V2 another model is not here",
        lambda t: t.rejected(t.ask("/v2/models/another"), code=404),
    )
    yield "V2 many at once get their own answers", many


def request(target: Target, n: int, start: int = 0, **more: Any) -> dict[str, Any]:
    """Rows of the target as a request in JSON."""
    inputs = []
    for name, array in target.take(n, start).items():
        data = [None if value != value else value for value in array.ravel().tolist()]
        inputs.append(describe(name, array) | {"data": data})
    return {"inputs": inputs, **more}


def in_bytes(target: Target, n: int, **more: Any) -> Answer:
    """The answer to rows whose values follow the JSON, little-endian."""
    inputs, parts = [], []
    for name, array in target.take(n).items():
        texts = [text.encode() for text in array.ravel()] if array.dtype == object else []
        data = b"".join(struct.pack("<I", len(text)) + text for text in texts) or array.tobytes()
        inputs.append(describe(name, array) | {"parameters": {"binary_data_size": len(data)}})
        parts.append(data)
    head = json.dumps({"inputs": inputs, **more}).encode()
    return infer(target, head + b"".join(parts), **{HEADER: str(len(head))})


def describe(name: str, array: np.ndarray) -> dict[str, Any]:
    dtype = "string" if array.dtype == object else array.dtype.name
    return {"name": name, "datatype": DATATYPES[dtype], "shape": [*array.shape]}


def infer(target: Target, body: Any, **headers: str) -> Answer:
    return target.ask(f"/v2/models/{target.name}/infer", body, **headers)


def read(answer: Answer) -> tuple[dict[str, Any], np.ndarray]:
    """An answer's JSON, and its one output as an array."""
    assert answer.code == 200, f"{answer.code}: {answer.content[:200]!r}"
    size = int(answer.headers.get(HEADER, len(answer.content)))
    head = json.loads(answer.content[:size])
    [output] = head["outputs"]
    dtype = next(dtype for dtype, name in DATATYPES.items() if name == output["datatype"])
    if "data" in output:
        array = np.array(output["data"], dtype)
    else:
        array = np.frombuffer(answer.content[size:], dtype)
    return head, array.reshape(output["shape"])


def right(target: Target, answer: Answer, n: int) -> None:
    target.same(read(answer)[1], target.take(n))


def gaps(target: Target) -> None:
    blank, rows = target.model.example(), target.take(1)
    names = [tensor.name for tensor in target.model.signature.inputs if tensor.nullable]
    body = request(target, 1)
    for given in body["inputs"]:
        given["data"] = [None] * len(given["data"]) if given["name"] in names else given["data"]
    target.same(read(infer(target, body))[1], rows | {name: blank[name] for name in names})


def rejected(target: Target, key: str, value: Any) -> None:
    body = request(target, 2)
    first = body["inputs"][0]
    name = value if key == "name" else first["name"]
    first[key] = value
    target.rejected(infer(target, body), f"inputs.{name}")


def same_id(target: Target) -> None:
    equal(read(infer(target, request(target, 1, id="7")))[0]["id"], "7")


def metadata(target: Target, path: str) -> None:
    answer, signature = json.loads(target.ask(path).content), target.model.signature
    for given, tensor in zip(answer["inputs"], signature.inputs, strict=True):
        shape = [-1, *tensor.shape]
        equal(given, {"name": tensor.name, "datatype": DATATYPES[tensor.dtype], "shape": shape})
    equal(json.loads(target.ask(f"{path}/ready").content), {"name": target.name, "ready": True})


def many(target: Target) -> None:
    bodies = [request(target, 1, row) for row in range(128)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda body: infer(target, body), bodies))
    for row, answer in enumerate(answers):
        target.same(read(answer)[1], target.take(1, row), tolerance=1e-4)
