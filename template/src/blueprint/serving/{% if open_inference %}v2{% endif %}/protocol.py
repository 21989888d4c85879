"""The Open Inference (V2) protocol: JSON bodies and binary tensors to arrays and back.

A request names each input with its datatype and shape; the values follow as JSON, flat or nested,
or as bytes behind the JSON (`binary_data_size`, little-endian). A missing value is null in JSON,
and NaN or an empty text in bytes. An input of one value an instance may be a column, [n, 1].
https://github.com/kserve/open-inference-protocol (inference_rest.md, binary_data.md)
"""

import math
import struct
from dataclasses import replace
from typing import Annotated, Any

import msgspec
import numpy as np

from ...model import Signature, Tensor
from ...text import listing, shorten
from ..http.v1 import LONGEST, RequestError, check_finite, explain, json_type, to_array

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
HEADER_LENGTH = b"inference-header-content-length"
Size = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Parameters(msgspec.Struct, frozen=True):
    binary_data_size: Size | None = None  # of an input
    binary_data: bool | None = None  # of an output
    binary_data_output: bool = False  # of a request: what outputs default to


class _Input(msgspec.Struct):
    name: str
    datatype: str
    shape: list[Size]
    data: msgspec.Raw = msgspec.Raw(b"")
    parameters: _Parameters = _Parameters()


class _Output(msgspec.Struct):
    name: str
    parameters: _Parameters = _Parameters()


class InferRequest(msgspec.Struct):
    """The JSON of a request; other keys are ignored."""

    inputs: list[_Input]
    id: Annotated[str, msgspec.Meta(max_length=1024)] | None = None
    outputs: list[_Output] = []
    parameters: _Parameters = _Parameters()

    @property
    def binary(self) -> bool:
        """Whether the output is asked for in bytes."""
        asked = self.outputs[0].parameters.binary_data if self.outputs else None
        return self.parameters.binary_data_output if asked is None else asked


class Decoder:
    """Reads requests for one signature."""

    def __init__(self, signature: Signature) -> None:
        self._inputs = {tensor.name: tensor for tensor in signature.inputs}
        self._output = signature.output.name
        self._request = msgspec.json.Decoder(InferRequest)
        self._flat = {
            tensor.name: msgspec.json.Decoder(list[json_type(replace(tensor, shape=()))])  # type: ignore[misc]
            for tensor in signature.inputs
        }
        self._nested = {
            tensor.name: msgspec.json.Decoder(list[json_type(tensor)])  # type: ignore[misc]
            for tensor in signature.inputs
        }

    def __call__(
        self, body: bytes, json_bytes: int | None = None
    ) -> tuple[dict[str, np.ndarray], InferRequest]:
        """One array of shape (n, *shape) for each input, and the request; or RequestError.

        The first `json_bytes` of the body are JSON, None is all of them.
        """
        if json_bytes is not None and not 0 <= json_bytes <= len(body):
            raise RequestError(f"Inference-Header-Content-Length: the body has {len(body)} bytes")
        request = self._read(body if json_bytes is None else body[:json_bytes])
        binary = memoryview(body)[len(body) if json_bytes is None else json_bytes :]
        arrays: dict[str, np.ndarray] = {}
        for given in request.inputs:
            tensor = self._find(given, arrays)
            size = given.parameters.binary_data_size
            if size is None:
                arrays[tensor.name] = self._from_json(tensor, given)
                continue
            if size > len(binary):
                where = f"inputs.{tensor.name}.parameters.binary_data_size"
                raise RequestError(f"{where}: {size}, but {len(binary)} bytes are left")
            arrays[tensor.name] = _from_bytes(tensor, given, binary[:size])
            binary = binary[size:]
        if binary:
            raise RequestError(f"the body: {len(binary)} bytes belong to no input")
        for name in self._inputs:
            if name not in arrays:
                raise RequestError(f"inputs.{name}: missing")
        rows = {name: len(array) for name, array in arrays.items()}
        if len(set(rows.values())) > 1:
            raise RequestError(
                f"inputs: expected as many rows in each, got {shorten(str(rows), 200)}"
            )
        return arrays, request

    def _read(self, body: bytes) -> InferRequest:
        try:
            request = self._request.decode(body)
        except (ValueError, RecursionError) as error:
            raise RequestError(explain(error)) from error
        if any(output.name != self._output for output in request.outputs[:1]):
            name = shorten(request.outputs[0].name, LONGEST)
            raise RequestError(f"outputs.{name}: unknown; the model gives {self._output}")
        if len(request.outputs) > 1:
            raise RequestError(f"outputs: the model has one, {self._output}")
        return request

    def _find(self, given: _Input, arrays: dict[str, np.ndarray]) -> Tensor:
        """The signature's tensor for an input whose name, datatype and shape fit it."""
        tensor = self._inputs.get(given.name)
        if tensor is None:
            name, names = shorten(given.name, LONGEST), listing(self._inputs, 6)
            raise RequestError(f"inputs.{name}: unknown; the model takes {names}")
        if tensor.name in arrays:
            raise RequestError(f"inputs.{tensor.name}: given twice")
        datatype = DATATYPES[tensor.dtype]
        if given.datatype != datatype:
            got = shorten(given.datatype, LONGEST)
            raise RequestError(f"inputs.{tensor.name}.datatype: expected {datatype}, got {got}")
        shape = list(tensor.shape)
        if given.shape[1:] != shape and not (given.shape[1:] == [1] and not shape):
            wanted = ", ".join(map(str, ["n", *shape]))
            got = shorten(str(given.shape[:LONGEST]), LONGEST)
            raise RequestError(f"inputs.{tensor.name}.shape: expected [{wanted}], got {got}")
        if not given.shape or not given.shape[0]:
            raise RequestError(f"inputs.{tensor.name}.shape: expected at least one instance")
        return tensor

    def _from_json(self, tensor: Tensor, given: _Input) -> np.ndarray:
        text = bytes(given.data)
        nested = text.lstrip()[1:].lstrip().startswith(b"[")
        column = nested and len(given.shape) == 2 and not tensor.shape  # [[1], [2]]
        shaped = replace(tensor, shape=(1,)) if column else tensor
        where = f"inputs.{tensor.name}.data"
        if not text:
            raise RequestError(f"{where}: missing")
        decoder = (self._nested if nested else self._flat)[tensor.name]
        try:
            if column:
                decoder = msgspec.json.Decoder(list[json_type(shaped)])  # type: ignore[misc]
            values = decoder.decode(text)
        except (ValueError, RecursionError) as error:
            raise RequestError(where + explain(error).removeprefix("the body")) from error
        size = given.shape[0] if nested else math.prod(given.shape)
        if len(values) != size:
            raise RequestError(
                f"{where}: expected {size} {'rows' if nested else 'values'} for the shape "
                f"{given.shape}, got {len(values)}"
            )
        array = to_array(tensor, values, where)
        return array.reshape(given.shape[0], *tensor.shape)


def encode(
    request: InferRequest, predictions: np.ndarray, output: Tensor, name: str, version: str
) -> tuple[bytes, int | None]:
    """The body of an answer, and how many of its bytes are JSON: None is all of them.

    Raises ModelError for predictions that are not finite.
    """
    check_finite(predictions)
    tensor: dict[str, Any] = {
        "name": output.name,
        "datatype": DATATYPES[output.dtype],
        "shape": predictions.shape,
    }
    answer: dict[str, Any] = {"model_name": name, "model_version": version, "outputs": [tensor]}
    if request.id is not None:
        answer["id"] = request.id
    if not request.binary:
        tensor["data"] = predictions.ravel().tolist()
        return msgspec.json.encode(answer), None
    data = _to_bytes(predictions)
    tensor["parameters"] = {"binary_data_size": len(data)}
    head = msgspec.json.encode(answer)
    return head + data, len(head)


def metadata(signature: Signature, name: str, version: str) -> dict[str, Any]:
    """What GET /v2/models/<name> answers."""

    def describe(tensor: Tensor) -> dict[str, Any]:
        datatype = DATATYPES[tensor.dtype]
        return {"name": tensor.name, "datatype": datatype, "shape": [-1, *tensor.shape]}

    return {
        "name": name,
        "versions": [version],
        "platform": f"{signature.format}_model",
        "inputs": [describe(tensor) for tensor in signature.inputs],
        "outputs": [describe(signature.output)],
    }


def _from_bytes(tensor: Tensor, given: _Input, data: memoryview) -> np.ndarray:
    where = f"inputs.{tensor.name}"
    shape = (given.shape[0], *tensor.shape)
    size = math.prod(shape)
    if tensor.dtype == "string":
        return np.array(_texts(where, data, size), object).reshape(shape)
    wanted = size * tensor.numpy_dtype.itemsize
    if len(data) != wanted:
        raise RequestError(
            f"{where}: expected {wanted} bytes for the shape {given.shape}, got {len(data)}"
        )
    array = np.frombuffer(data, np.dtype(tensor.dtype).newbyteorder("<")).reshape(shape)
    _check_bytes(where, tensor, array)
    return array.astype(tensor.numpy_dtype, copy=False)


def _check_bytes(where: str, tensor: Tensor, array: np.ndarray) -> None:
    """Reject values that JSON cannot hold."""
    if array.dtype.kind == "f":
        good = np.isfinite(array) | (np.isnan(array) if tensor.nullable else False)
    elif array.dtype.kind == "b":
        good = array.view(np.uint8) <= 1
    else:
        return
    if not good.all():
        at = tuple(np.argwhere(~good)[0])
        index = "".join(f"[{number}]" for number in at)
        raise RequestError(f"{where}{index}: {array[at]} is not allowed")


def _texts(where: str, data: memoryview, size: int) -> list[str]:
    """Texts in UTF-8, each behind its length in four bytes."""
    texts: list[str] = []
    end = 0
    try:
        while end < len(data):
            (length,) = struct.unpack_from("<I", data, end)
            end += 4 + length
            if end > len(data):
                raise RequestError(f"{where}: text {len(texts)} is cut short")
            texts.append(str(data[end - length : end], "utf-8"))
    except (struct.error, UnicodeDecodeError) as error:
        raise RequestError(f"{where}: text {len(texts)}: {error}") from error
    if len(texts) != size:
        raise RequestError(f"{where}: expected {size} texts, got {len(texts)}")
    return texts


def _to_bytes(array: np.ndarray) -> bytes:
    if array.dtype.kind != "O":
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    texts = [str(text).encode() for text in array.ravel()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)
