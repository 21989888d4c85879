"""The V1 inference protocol: JSON bodies to arrays and back.

A request is `{"instances": [...]}`. An instance is an object, `{"age": 42, "city": "Mainz"}`, or,
for a model with one input, the bare value. A value may be null where the signature has the input
nullable. Other keys of the body are ignored, as in TF Serving.
https://www.tensorflow.org/tfx/serving/api_rest, https://kserve.github.io/website (V1 protocol)
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec.structs import astuple

from ..model import ModelError, Signature, Tensor

LONGEST = 40  # characters of what a client sent, in a message
SOME = 6  # names of inputs, in a message


@dataclass(frozen=True)
class _Unfit:
    """A literal that no input takes: NaN, Infinity, or a number that no float can hold."""

    text: str


class RequestError(Exception):
    """A request the protocol refuses; the message names the field."""


class Decoder:
    """Reads requests for one signature.

    A typed msgspec decoder checks every value while it parses. Only a refused request is read a
    second time, to say where it is wrong.
    """

    def __init__(self, signature: Signature) -> None:
        self._inputs = signature.inputs
        self._types = [_type(tensor) for tensor in self._inputs]
        names = {f"input_{index}": tensor.name for index, tensor in enumerate(self._inputs)}
        self._fields = {name: field for field, name in names.items()}
        # A msgspec field cannot have a name that JSON must escape, such as one with a quotation
        # mark. Rows with such a column take a detour, which costs time.
        self._detour = any(json.dumps(n, ensure_ascii=False) != f'"{n}"' for n in names.values())
        self._row = msgspec.defstruct(
            "Row",
            list(zip(names, self._types, strict=True)),
            rename=None if self._detour else names,
            forbid_unknown_fields=True,
        )
        self._bare = len(self._inputs) == 1
        self._instance: Any = self._row | self._types[0] if self._bare else self._row
        item = Any if self._detour else self._instance
        instances = Annotated[list[item], msgspec.Meta(min_length=1)]  # type: ignore[valid-type]
        body = msgspec.defstruct("Body", [("instances", instances)])
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(body)

    def __call__(self, body: bytes) -> dict[str, np.ndarray]:
        """One array of shape (n, *shape) for each input, or RequestError."""
        try:
            rows = self._decoder.decode(body).instances
            if self._detour:
                rows = [msgspec.convert(self._renamed(row), self._instance) for row in rows]
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise RequestError(self._explain(body) or f"the body: {error}") from error
        with np.errstate(over="raise"):
            return {
                tensor.name: _array(tensor, column)
                for tensor, column in zip(self._inputs, self._columns(rows), strict=True)
            }

    def _columns(self, rows: list[Any]) -> Iterable[Sequence[Any]]:
        """The values of each input in turn."""
        if not self._bare:
            return zip(*map(astuple, rows), strict=True)
        row: Any = self._row
        return [[each.input_0 if type(each) is row else each for each in rows]]

    def _renamed(self, instance: Any) -> Any:
        """An instance of which msgspec can make a row; "" is no input's field."""
        if self._detour and isinstance(instance, dict):
            return {self._fields.get(name, ""): value for name, value in instance.items()}
        return instance

    def _explain(self, body: bytes) -> str | None:
        """Why the typed decoder refused this body, in terms of the request's own fields."""
        try:
            request = json.loads(body.decode(), parse_constant=_Unfit, parse_float=_float)
        except RecursionError:
            return "the body is nested too deeply"
        except ValueError as error:
            return f"the body is not JSON: {error}"
        if not isinstance(request, dict) or "instances" not in request:
            return 'the body: expected an object with "instances", a list of what to predict for'
        instances = request["instances"]
        if not isinstance(instances, list) or not instances:
            return f"instances: expected a list of at least one instance, got {_show(instances)}"
        for index, instance in enumerate(instances):
            if not _fits(self._renamed(instance), self._instance):
                return self._explain_instance(f"instances[{index}]", instance)
        return None

    def _explain_instance(self, where: str, instance: Any) -> str | None:
        names = [tensor.name for tensor in self._inputs]
        if not isinstance(instance, dict):
            if len(names) > 1:
                return f"{where}: expected an object with {_some(names)}, got {_show(instance)}"
            return _explain_value(f"{where}.{names[0]}", self._inputs[0], instance)
        for name in instance:
            if name not in names:
                return f"{where}.{_cut(name)}: unknown; the model takes {_some(names)}"
        for tensor, type_ in zip(self._inputs, self._types, strict=True):
            if tensor.name not in instance:
                return f"{where}.{tensor.name}: missing"
            if not _fits(instance[tensor.name], type_):
                return _explain_value(f"{where}.{tensor.name}", tensor, instance[tensor.name])
        return None


def encode(predictions: np.ndarray) -> bytes:
    """The body of an answer: `{"predictions": [...]}`, one item an instance.

    Raises ModelError for NaN and infinity, which JSON does not have: null would hide the fault.
    """
    if predictions.dtype.kind == "f" and not np.isfinite(predictions).all():
        place = tuple(np.argwhere(~np.isfinite(predictions))[0])
        raise ModelError(f"the prediction for instances[{place[0]}] is {predictions[place]}")
    return msgspec.json.encode({"predictions": predictions.tolist()})


def _type(tensor: Tensor) -> Any:
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


def _array(tensor: Tensor, column: Sequence[Any]) -> np.ndarray:
    """A column of checked values as an array; what only NumPy finds is refused here.

    Overflow has to be an error. NumPy makes NaN of None.
    """
    try:
        array = np.array(column, tensor.numpy_dtype)
    except (FloatingPointError, OverflowError) as error:
        raise RequestError(_explain_overflow(tensor, column)) from error
    if tensor.nullable and tensor.dtype == "string":
        array[array == None] = tensor.empty  # noqa: E711  (compares elements)
    return array


def _explain_overflow(tensor: Tensor, column: Sequence[Any]) -> str:
    row = next(index for index, value in enumerate(column) if not _holds(tensor, value))
    return f"instances[{row}].{tensor.name}: a number is too large for {tensor.dtype}"


def _holds(tensor: Tensor, value: Any) -> bool:
    try:
        np.array(value, tensor.numpy_dtype)
    except (FloatingPointError, OverflowError):
        return False
    return True


def _fits(value: Any, type_: Any) -> bool:
    try:
        msgspec.convert(value, type_)
    except msgspec.ValidationError:
        return False
    return True


def _explain_value(where: str, tensor: Tensor, value: Any) -> str | None:
    """What is wrong with the value of one input."""
    try:
        shape = _shape(value)
    except ValueError:
        return f"{where}: expected shape {list(tensor.shape)}, got rows of different lengths"
    if shape != tensor.shape:
        got = list(shape) if shape else _show(value)
        return f"{where}: expected shape {list(tensor.shape)}, got {got}"
    scalar = _type(replace(tensor, shape=()))
    for index in np.ndindex(shape):
        item = value
        for position in index:
            item = item[position]
        if not _fits(item, scalar):
            at = "".join(f"[{position}]" for position in index)
            return f"{where}{at}: expected {_expected(tensor)}, got {_show(item)}"
    return None


def _float(text: str) -> float | _Unfit:
    number = float(text)
    return number if math.isfinite(number) else _Unfit(text)


def _shape(value: Any) -> tuple[int, ...]:
    """The shape of nested lists; ValueError when they are ragged."""
    if not isinstance(value, list):
        return ()
    shapes = {_shape(item) for item in value}
    if len(shapes) > 1:
        raise ValueError("ragged")
    return (len(value), *(shapes.pop() if shapes else ()))


def _expected(tensor: Tensor) -> str:
    kind = tensor.numpy_dtype.kind
    if kind in "iu":
        limits = np.iinfo(tensor.dtype)
        return f"an integer from {limits.min} to {limits.max}"
    expected = {"b": "true or false", "f": "a number", "O": "a string"}[kind]
    return f"{expected} or null" if tensor.nullable else expected


def _some(names: Sequence[str]) -> str:
    """The first names of a list, and how many there are."""
    if len(names) <= SOME:
        return ", ".join(names)
    return f"{', '.join(names[:SOME])}, … ({len(names)} in all)"


def _show(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    return _cut(value.text if isinstance(value, _Unfit) else json.dumps(value))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
