"""Single values of a request: the JSON types that a tensor takes, and what is wrong with a value.

Both protocols use it, so that both refuse the same values in the same words.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
import numpy as np

from ..model import ModelError, Tensor

LONGEST = 40  # characters of what a client sent, in a message


@dataclass(frozen=True)
class Unfit:
    """A literal that no input takes: NaN, Infinity, or a number that no float can hold."""

    text: str


class RequestError(Exception):
    """A request the protocol refuses; the message names the field."""


def explained(explain: Callable[[], str | None], otherwise: str) -> RequestError:
    """The refusal that `explain` words, if it can: it reads what no decoder took a second time."""
    try:
        return RequestError(explain() or otherwise)
    except RecursionError:
        return RequestError("the body is nested too deeply")
    except ValueError:  # such as half of a surrogate pair
        return RequestError(otherwise)


def check_finite(predictions: np.ndarray) -> None:
    """Raise ModelError for NaN and infinity: JSON has neither, and null would hide the fault."""
    if predictions.dtype.kind == "f" and not np.isfinite(predictions).all():
        place = tuple(np.argwhere(~np.isfinite(predictions))[0])
        raise ModelError(f"the prediction for instances[{place[0]}] is {predictions[place]}")


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


def to_array(tensor: Tensor, column: Sequence[Any], where: Callable[[int], str]) -> np.ndarray:
    """A column of checked values as an array; what only NumPy finds is refused here.

    `where` names the value at a place of the column. NumPy makes NaN of None.
    """
    try:
        with np.errstate(over="raise"):
            array = np.array(column, tensor.numpy_dtype)
    except (FloatingPointError, OverflowError) as error:
        place = next(index for index, value in enumerate(column) if not _holds(tensor, value))
        message = f"{where(place)}: a number is too large for {tensor.dtype}"
        raise RequestError(message) from error
    if tensor.nullable and tensor.dtype == "string":
        array[array == None] = tensor.empty  # noqa: E711  (compares elements)
    return array


def _holds(tensor: Tensor, value: Any) -> bool:
    try:
        with np.errstate(over="raise"):
            np.array(value, tensor.numpy_dtype)
    except (FloatingPointError, OverflowError):
        return False
    return True


def fits(value: Any, type_: Any) -> bool:
    """Whether msgspec takes the value for this type."""
    try:
        msgspec.convert(value, type_)
    except (ValueError, RecursionError):  # half of a surrogate pair; lists in lists
        return False
    return True


def explain_value(where: str, tensor: Tensor, value: Any) -> str | None:
    """What is wrong with the value of one input."""
    try:
        shape = _shape(value)
    except ValueError:
        return f"{where}: expected shape {list(tensor.shape)}, got rows of different lengths"
    if shape != tensor.shape:
        got = cut(str(list(shape))) if shape else show(value)
        return f"{where}: expected shape {list(tensor.shape)}, got {got}"
    scalar = json_type(replace(tensor, shape=()))
    for index in np.ndindex(shape):
        item = value
        for position in index:
            item = item[position]
        if not fits(item, scalar):
            at = "".join(f"[{position}]" for position in index)
            return f"{where}{at}: expected {expected(tensor)}, got {show(item)}"
    return None


def parse_float(text: str) -> float | Unfit:
    """A float of JSON, if it is one."""
    number = float(text)
    return number if math.isfinite(number) else Unfit(text)


def _shape(value: Any) -> tuple[int, ...]:
    """The shape of nested lists; ValueError when they are ragged."""
    if not isinstance(value, list):
        return ()
    shapes = {_shape(item) for item in value}
    if len(shapes) > 1:
        raise ValueError("ragged")
    return (len(value), *(shapes.pop() if shapes else ()))


def expected(tensor: Tensor) -> str:
    """What a value of this tensor is."""
    kind = tensor.numpy_dtype.kind
    if kind in "iu":
        limits = np.iinfo(tensor.dtype)
        return f"an integer from {limits.min} to {limits.max}"
    kinds = {"b": "true or false", "f": "a number", "O": "a string"}
    return f"{kinds[kind]} or null" if tensor.nullable else kinds[kind]


def show(value: Any) -> str:
    """What a client sent, in a few characters."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    return cut(value.text if isinstance(value, Unfit) else json.dumps(value))


def cut(text: str, longest: int = LONGEST) -> str:
    """A text that anybody may have sent, for a message or the log: its beginning, on one line.

    What is not printable, such as a line break or half of a surrogate pair, is escaped.
    """
    start = text if len(text) <= longest else f"{text[: longest - 3]}..."
    if start.isprintable():
        return start
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in start)
