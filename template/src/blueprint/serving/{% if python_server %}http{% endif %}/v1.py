"""The V1 inference protocol: JSON bodies to arrays and back.

A request is `{"instances": [...]}`. An instance is an object, `{"age": 42, "city": "Mainz"}`, or,
for a model with one input, the bare value. A value may be null where the signature has the input
nullable. Other keys of the body are ignored, as in TF Serving.
https://www.tensorflow.org/tfx/serving/api_rest, https://kserve.github.io/website (V1 protocol)
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec.structs import astuple

from ...model import ModelError, Signature, Tensor
from ...text import listing, shorten

LONGEST = 40  # characters of a name that a client sent, in a message
WORDS = {"int": "integer", "float": "number", "str": "string", "bool": "boolean", "array": "list"}
SLICE_ROWS = 1024
SLICE_BYTES = 256 * 1024


class RequestError(Exception):
    """A request that the protocol rejects; the message names the field."""


class Decoder:
    """Reads requests for one signature: a typed msgspec decoder checks each value as it parses.

    `body` is the type of a request.
    """

    def __init__(self, signature: Signature) -> None:
        self._inputs = signature.inputs
        self._names = {f"input_{i}": tensor.name for i, tensor in enumerate(signature.inputs)}
        # msgspec has no fields whose names JSON must escape, such as one with a quotation mark:
        # rows with such a column keep the names above, and are renamed before they are checked.
        self._rename = any(
            json.dumps(n, ensure_ascii=False) != f'"{n}"' for n in self._names.values()
        )
        self._row: Any = msgspec.defstruct(
            "Row",
            [(f"input_{i}", json_type(tensor)) for i, tensor in enumerate(signature.inputs)],
            rename=None if self._rename else self._names,
            forbid_unknown_fields=True,
        )
        self._bare = len(signature.inputs) == 1
        self.body = _body(self._row | json_type(signature.inputs[0]) if self._bare else self._row)
        self._decoder = msgspec.json.Decoder(_body(Any) if self._rename else self.body)
        self._raw = msgspec.json.Decoder(_body(msgspec.Raw))

    def __call__(self, body: bytes, first: int = 0) -> dict[str, np.ndarray]:
        """One array of shape (n, *shape) for each input, or RequestError.

        `first` is the number that messages give the first instance.
        """
        try:
            request = self._decoder.decode(body)
            if self._rename:
                request = self._check({"instances": request.instances})
        except (ValueError, RecursionError) as error:
            raise RequestError(self._explain(body, error, first)) from error
        rows, row = request.instances, self._row
        columns: Iterable[Sequence[Any]]
        if self._bare:
            columns = [[each.input_0 if type(each) is row else each for each in rows]]
        else:
            columns = zip(*map(astuple, rows), strict=True)
        return {
            tensor.name: to_array(tensor, column, "instances", f".{tensor.name}", first)
            for tensor, column in zip(self._inputs, columns, strict=True)
        }

    def slices(self, body: bytes) -> Iterator[dict[str, np.ndarray]]:
        """The same for a large body, some rows at a time.

        Read at once, it would need twenty times its size in memory, and hold up every thread.
        """
        try:
            rows = self._raw.decode(body).instances
        except (ValueError, RecursionError) as error:
            raise RequestError(explain(error)) from error
        step = max(1, min(SLICE_ROWS, len(rows) * SLICE_BYTES // len(body)))
        for first in range(0, len(rows), step):
            part = b",".join(rows[first : first + step])
            yield self(b'{"instances":[%b]}' % part, first)

    def _check(self, request: Any) -> Any:
        """A request that was parsed without types, as its type."""
        if self._rename:
            fields = {name: field for field, name in self._names.items()}
            request["instances"] = [
                {fields.get(k, ""): v for k, v in row.items()} if isinstance(row, dict) else row
                for row in request["instances"]
            ]
        return msgspec.convert(request, self.body)

    def _explain(self, body: bytes, error: Exception, first: int) -> str:
        if not isinstance(error, msgspec.ValidationError):
            try:  # NaN is no JSON, and msgspec does not say where it is
                loose = json.loads(body.decode(), parse_constant=_literal, parse_float=parse_float)
                self._check(loose)
            except msgspec.ValidationError as found:
                error = found
            except (ValueError, TypeError, KeyError, RecursionError):
                pass
        text = explain(error, [tensor.name for tensor in self._inputs])
        if self._rename:
            text = re.sub(r"input_\d+", lambda match: self._names.get(match[0], match[0]), text)
        return re.sub(r"^instances\[(\d+)\]", lambda m: f"instances[{first + int(m[1])}]", text)


def encode(predictions: np.ndarray) -> bytes:
    """The body of an answer: `{"predictions": [...]}`, one item an instance.

    Raises ModelError for what JSON cannot hold.
    """
    check_finite(predictions)
    slices = range(0, len(predictions), SLICE_ROWS)  # so that no other thread waits for long
    parts = [msgspec.json.encode(predictions[at : at + SLICE_ROWS].tolist()) for at in slices]
    return b'{"predictions":[%b]}' % b",".join(part[1:-1] for part in parts)


def check_finite(predictions: np.ndarray) -> None:
    """Raise ModelError for NaN and infinity: JSON has neither, and null would hide the fault."""
    if predictions.dtype.kind == "f" and not np.isfinite(predictions).all():
        at = tuple(np.argwhere(~np.isfinite(predictions))[0])
        raise ModelError(f"the prediction for instances[{at[0]}] is {predictions[at]}")


def json_type(tensor: Tensor) -> Any:
    """The msgspec type of one instance's value: nested lists of fixed lengths."""
    kind = tensor.numpy_dtype.kind
    type_: Any = {"b": bool, "f": float, "O": str}.get(kind, int)
    if kind in "iu":
        limits = np.iinfo(tensor.dtype)
        most = None if tensor.dtype == "uint64" else int(limits.max)  # msgspec cannot: NumPy will
        type_ = Annotated[int, msgspec.Meta(ge=int(limits.min), le=most)]
    if tensor.nullable:
        type_ = type_ | None
    for size in reversed(tensor.shape):
        type_ = Annotated[list[type_], msgspec.Meta(min_length=size, max_length=size)]
    return type_


def to_array(
    tensor: Tensor, column: Sequence[Any], before: str, after: str = "", first: int = 0
) -> np.ndarray:
    """A column of checked values as an array; what only NumPy finds is rejected here.

    A message has the number of the row between `before` and `after`. NumPy makes NaN of None.
    """
    try:
        with np.errstate(over="raise"):
            array = np.array(column, tensor.numpy_dtype)
    except (FloatingPointError, OverflowError) as error:
        limit = (np.finfo if tensor.numpy_dtype.kind == "f" else np.iinfo)(tensor.dtype).max
        row = first + np.argwhere(np.abs(np.array(column, np.float64)) >= float(limit))[0][0]
        text = f"{before}[{row}]{after}: a number is too large for {tensor.dtype}"
        raise RequestError(text) from error
    if tensor.nullable and tensor.dtype == "string":
        array[array == None] = tensor.empty  # noqa: E711  (compares elements)
    return array


def explain(error: Exception, names: Sequence[str] = ()) -> str:
    """What msgspec found wrong, beginning with the field: "instances[1].age: expected …"."""
    if isinstance(error, RecursionError):
        return "the body is nested too deeply"
    if not isinstance(error, msgspec.ValidationError):
        return f"the body is not JSON: {error}"
    message, path = re.fullmatch(r"(.*?)(?: - at `\$\.?(.*)`)?", str(error), re.DOTALL).groups("")  # type: ignore[union-attr]
    if field := re.search(r"(missing|unknown)(?: required)? field `(.*)`$", message, re.DOTALL):
        there = f"; the model takes {listing(names, 6)}" if field[1] == "unknown" and names else ""
        return ".".join(filter(None, [path, f"{shorten(field[2], LONGEST)}: {field[1]}{there}"]))
    if path != "instances":  # the only list without a fixed length
        message = re.sub(r"length [<>]= ", "length ", message)
    message = re.sub(  # a type as JSON calls it: "number or null" for "float | null"
        "`(.*?)`", lambda t: " or ".join(WORDS.get(w, w) for w in t[1].split(" | ")), message
    )
    return f"{path or 'the body'}: {message[:1].lower()}{message[1:]}"


def parse_float(text: str) -> Any:
    """A float of JSON, if it is one."""
    return float(text) if math.isfinite(float(text)) else _literal(text)


def _literal(text: str) -> object:
    """An object that no type takes, whose type's name is what a client sent: NaN, Infinity."""
    return type(shorten(text, LONGEST), (), {})()


def _body(instance: Any) -> Any:
    instances = Annotated[list[instance], msgspec.Meta(min_length=1)]
    return msgspec.defstruct("Body", [("instances", instances)])
