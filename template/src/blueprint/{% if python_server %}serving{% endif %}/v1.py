"""The V1 inference protocol: JSON bodies to arrays and back.

A request is `{"instances": [...]}`. An instance is an object, `{"age": 42, "city": "Mainz"}`, or,
for a model with one input, the bare value. A value may be null where the signature has the input
nullable. Other keys of the body are ignored, as in TF Serving.
https://www.tensorflow.org/tfx/serving/api_rest, https://kserve.github.io/website (V1 protocol)
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec.structs import astuple

from ..model import Signature
from .values import (
    RequestError,
    Unfit,
    check_finite,
    cut,
    explain_value,
    explained,
    fits,
    json_type,
    parse_float,
    show,
    to_array,
)

SOME = 6  # names of inputs, in a message
SLICE_ROWS = 1024
SLICE_BYTES = 256 * 1024


class Decoder:
    """Reads requests for one signature.

    A typed msgspec decoder checks every value while it parses. Only a refused request is read a
    second time, to say where it is wrong.
    """

    def __init__(self, signature: Signature) -> None:
        self._inputs = signature.inputs
        self._types = [json_type(tensor) for tensor in self._inputs]
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
        raw = Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]
        body = msgspec.defstruct("RawBody", [("instances", raw)])
        self._raw: msgspec.json.Decoder[Any] = msgspec.json.Decoder(body)

    def __call__(self, body: bytes, first: int = 0) -> dict[str, np.ndarray]:
        """One array of shape (n, *shape) for each input, or RequestError.

        `first` is the number that messages give the first instance.
        """
        try:
            rows = self._decoder.decode(body).instances
            if self._detour:
                rows = [msgspec.convert(self._renamed(row), self._instance) for row in rows]
        except (ValueError, RecursionError) as error:
            other = f"the body: {cut(str(error), 120)}"
            raise explained(lambda: self._explain(body, first), other) from error
        return {
            tensor.name: to_array(tensor, column, _place(tensor.name, first))
            for tensor, column in zip(self._inputs, self._columns(rows), strict=True)
        }

    def slices(self, body: bytes) -> Iterator[dict[str, np.ndarray]]:
        """The same for a large body, some rows at a time.

        Read at once, it would take twenty times its size in memory, and hold up every thread.
        """
        try:
            rows = self._raw.decode(body).instances
        except (ValueError, RecursionError) as error:
            raise RequestError(f"the body: {cut(str(error), 120)}") from error
        step = max(1, min(SLICE_ROWS, len(rows) * SLICE_BYTES // len(body)))
        for first in range(0, len(rows), step):
            part = b",".join(rows[first : first + step])
            yield self(b'{"instances":[%b]}' % part, first)

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

    def _explain(self, body: bytes, first: int) -> str | None:
        """Why the typed decoder refused this body, in terms of the request's own fields."""
        try:
            request = json.loads(body.decode(), parse_constant=Unfit, parse_float=parse_float)
        except ValueError as error:
            return f"the body is not JSON: {error}"
        if not isinstance(request, dict) or "instances" not in request:
            return 'the body: expected an object with "instances", a list of what to predict for'
        instances = request["instances"]
        if not isinstance(instances, list) or not instances:
            return f"instances: expected a list of at least one instance, got {show(instances)}"
        for index, instance in enumerate(instances, first):
            if not fits(self._renamed(instance), self._instance):
                return self._explain_instance(f"instances[{index}]", instance)
        return None

    def _explain_instance(self, where: str, instance: Any) -> str | None:
        names = [tensor.name for tensor in self._inputs]
        if not isinstance(instance, dict):
            if len(names) > 1:
                return f"{where}: expected an object with {_some(names)}, got {show(instance)}"
            return explain_value(f"{where}.{names[0]}", self._inputs[0], instance)
        for name in instance:
            if name not in names:
                return f"{where}.{cut(name)}: unknown; the model takes {_some(names)}"
        for tensor, type_ in zip(self._inputs, self._types, strict=True):
            if tensor.name not in instance:
                return f"{where}.{tensor.name}: missing"
            if not fits(instance[tensor.name], type_):
                return explain_value(f"{where}.{tensor.name}", tensor, instance[tensor.name])
        return None


def encode(predictions: np.ndarray) -> bytes:
    """The body of an answer: `{"predictions": [...]}`, one item an instance.

    Raises ModelError for what JSON cannot hold.
    """
    check_finite(predictions)
    slices = range(0, len(predictions), SLICE_ROWS)  # so that no other thread waits for long
    parts = [msgspec.json.encode(predictions[at : at + SLICE_ROWS].tolist()) for at in slices]
    return b'{"predictions":[%b]}' % b",".join(part[1:-1] for part in parts)


def _place(name: str, first: int) -> Callable[[int], str]:
    return lambda row: f"instances[{first + row}].{name}"


def _some(names: Sequence[str]) -> str:
    """The first names of a list, and how many there are."""
    if len(names) <= SOME:
        return ", ".join(names)
    return f"{', '.join(names[:SOME])}, … ({len(names)} in all)"
