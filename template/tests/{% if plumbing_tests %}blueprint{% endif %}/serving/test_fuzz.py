"""Whatever a client sends is decoded or rejected: nothing else is raised, so nothing is a 5xx."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprint.model import Signature, Tensor
from blueprint.serving.http import v1
from blueprint.serving.http.requests import LONGEST_ERROR, printable
from blueprint.serving.http.v1 import RequestError

try:
    from blueprint.serving.v2 import protocol as v2
except ModuleNotFoundError:
    v2 = None  # type: ignore[assignment]

SIGNATURES = [
    Signature("", inputs, Tensor("out", "float32", ()), (), "")
    for inputs in [
        (Tensor("image", "uint8", (2, 2)),),
        (
            Tensor("age", "float32", (), nullable=True),
            Tensor("city", "string", (), nullable=True),
            Tensor("rooms", "int64", ()),
            Tensor("garden", "bool", ()),
            Tensor("large", "uint64", ()),
        ),
    ]
]
KEYS = "instances inputs name shape datatype data parameters binary_data_size outputs id"
NAMES = st.sampled_from(
    [*KEYS.split(), "image", "age", "city", "rooms", "garden", "large", "x", "\ud800", "x" * 600]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=4)
    | st.text(st.characters(categories=["Cs", "Cc", "L"]), max_size=3)  # halves of pairs too
    | st.just("x" * 600)
    | st.sampled_from(["UINT8", "FP32", "BYTES", "INT64", "BOOL", "UINT64", "image", "age", "out"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)
TENSORS = st.fixed_dictionaries(
    {
        "name": NAMES,
        "datatype": st.sampled_from(["UINT8", "FP32", "BYTES", "INT64", "BOOL", "UINT64"]),
        "shape": st.lists(st.integers(-1, 3) | st.just(2**60), max_size=4) | st.just([9] * 300),
    },
    optional={
        "data": VALUES,
        "parameters": st.dictionaries(
            st.sampled_from(["binary_data_size", "binary_data"]), st.integers(-1, 40) | LEAVES
        ),
    },
)
BODIES = (
    st.binary(max_size=60)
    | st.builds(lambda value: json.dumps(value).encode(), VALUES)
    | st.builds(lambda rows: json.dumps({"instances": rows}).encode(), st.lists(VALUES, max_size=3))
    | st.builds(
        lambda inputs, tail: json.dumps({"inputs": inputs}).encode() + tail,
        st.lists(TENSORS, max_size=5),
        st.binary(max_size=40),
    )
    | st.builds(
        lambda inside, before, after: inside.replace(b"@", before + after),
        st.sampled_from(
            [
                b'{"instances":@}',
                b'{"instances":[{"image":@}]}',
                b'{"instances":[{"age":1,"x":@}]}',
                b'{"inputs":[{"name":"image","datatype":"UINT8","shape":[1,2,2],"data":@}]}',
                b'{"inputs":[{"name":"age","datatype":"FP32","shape":[1],"data":@}],"id":@}',
                b'{"inputs":[{"name":"age","datatype":"FP32","shape":[@],"data":[1]}]}',
            ]
        ),
        st.sampled_from([b"[", b'{"x":', b"1"]).flatmap(
            lambda piece: st.integers(1, 5000).map(lambda times: piece * times)
        ),
        st.integers(0, 5000).map(lambda times: b"]" * times),
    )
)


@contextlib.contextmanager
def rejected_or_decoded() -> Iterator[None]:
    try:
        yield
    except RequestError as error:
        message = printable(str(error), LONGEST_ERROR)
        assert message.isprintable()
        message.encode()


@pytest.mark.parametrize("signature", SIGNATURES, ids=["image", "table"])
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_body_is_decoded_or_rejected(signature: Signature, data: Any) -> None:
    body = data.draw(BODIES)
    with rejected_or_decoded():
        arrays = v1.Decoder(signature)(body)
        assert {len(array) for array in arrays.values()} != {0}
    with rejected_or_decoded():
        list(v1.Decoder(signature).slices(body))
    if v2 is None:
        return
    length = data.draw(st.none() | st.integers(-1, len(body) + 1))
    with rejected_or_decoded():
        arrays, request = v2.Decoder(signature)(body, length)
        assert {len(array) for array in arrays.values()} != {0}
        v2.encode(request, np.zeros(1), Tensor("out", "float64", ()), "", "")
