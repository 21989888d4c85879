"""Requests and answers of the Open Inference (V2) protocol, written from its specification.

https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md;
the bytes: https://kserve.github.io/website, "Binary Tensor Data Extension".
"""

import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any

import httpx
import numpy as np

HEADER = "Inference-Header-Content-Length"
DATATYPES = {
    "bool": "BOOL",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "float32": "FP32",
    "float64": "FP64",
    "string": "BYTES",
}
DTYPES = {datatype: dtype for dtype, datatype in DATATYPES.items()}


def tensor(name: str, array: np.ndarray) -> dict[str, Any]:
    """An input without its values."""
    dtype = "string" if array.dtype == object else array.dtype.name
    return {"name": name, "datatype": DATATYPES[dtype], "shape": list(array.shape)}


def in_json(name: str, array: np.ndarray, *, nested: bool = False) -> dict[str, Any]:
    """An input with its values in JSON, flat or nested; NaN is null."""
    values = array.astype(object)
    if array.dtype.kind == "f":
        values[np.isnan(array)] = None
    return tensor(name, array) | {"data": (values if nested else values.ravel()).tolist()}


def in_bytes(name: str, array: np.ndarray) -> tuple[dict[str, Any], bytes]:
    """An input, and its values as the bytes that follow the JSON."""
    data = to_bytes(array)
    return tensor(name, array) | {"parameters": {"binary_data_size": len(data)}}, data


def to_bytes(array: np.ndarray) -> bytes:
    """Little-endian and row by row; a text is UTF-8 behind its length in four bytes."""
    if array.dtype != object:
        return array.astype(array.dtype.newbyteorder("<")).tobytes()
    texts = [text.encode() for text in array.ravel()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def request(rows: Mapping[str, np.ndarray], **more: Any) -> bytes:
    """A request in JSON."""
    inputs = [in_json(name, array) for name, array in rows.items()]
    return json.dumps({"inputs": inputs} | more).encode()


def binary_request(
    rows: Mapping[str, np.ndarray], in_text: Iterable[str] = (), **more: Any
) -> tuple[bytes, dict[str, str]]:
    """A request with its inputs in bytes, those `in_text` in JSON; and its headers."""
    inputs, parts = [], []
    for name, array in rows.items():
        if name in in_text:
            inputs.append(in_json(name, array))
            continue
        described, data = in_bytes(name, array)
        inputs.append(described)
        parts.append(data)
    head = json.dumps({"inputs": inputs} | more).encode()
    headers = {HEADER: str(len(head)), "Content-Type": "application/octet-stream"}
    return b"".join([head, *parts]), headers


def read(response: httpx.Response) -> tuple[dict[str, Any], np.ndarray]:
    """An answer's JSON, and its one output as an array."""
    assert response.status_code == 200, response.text
    size = int(response.headers.get(HEADER, len(response.content)))
    answer = json.loads(response.content[:size])
    [output] = answer["outputs"]
    dtype = np.dtype(DTYPES[output["datatype"]])
    if "data" in output:
        return answer, np.array(output["data"], dtype).reshape(output["shape"])
    data = response.content[size:]
    assert len(data) == output["parameters"]["binary_data_size"]
    return answer, np.frombuffer(data, dtype.newbyteorder("<")).reshape(output["shape"])
