"""The Open Inference (V2) protocol: JSON and binary tensors, there and back."""

import json
import struct
from typing import Any

import numpy as np
import pytest

from blueprint.model import ModelError, Signature, Tensor
from blueprint.serving.http.v1 import RequestError
from blueprint.serving.v2 import protocol as v2

IMAGE = Tensor("image", "uint8", (2, 2))
TABLE = (
    Tensor("age", "float64", (), nullable=True),
    Tensor("home city", "string", (), nullable=True),
    Tensor("rooms", "int64", ()),
    Tensor("garden", "bool", ()),
)
AGE = {"name": "age", "datatype": "FP64", "shape": [2], "data": [1.5, None]}
CITY = {"name": "home city", "datatype": "BYTES", "shape": [2], "data": ["Ulm", None]}
ROOMS = {"name": "rooms", "datatype": "INT64", "shape": [2], "data": [3, -4]}
GARDEN = {"name": "garden", "datatype": "BOOL", "shape": [2], "data": [True, False]}
OUTPUT = Tensor("probabilities", "float32", (2,))


def decoder(*inputs: Tensor) -> v2.Decoder:
    return v2.Decoder(Signature("", inputs, OUTPUT, (), ""))


def body(*inputs: dict[str, Any], **rest: Any) -> bytes:
    return json.dumps({"inputs": inputs, **rest}).encode()


def in_bytes(*inputs: tuple[dict[str, Any], bytes], **rest: Any) -> tuple[bytes, int]:
    """A body whose tensors follow the JSON, and how long that is."""
    described = [
        {**{key: value for key, value in given.items() if key != "data"}}
        | {"parameters": {"binary_data_size": len(data)}}
        for given, data in inputs
    ]
    head = body(*described, **rest)
    return head + b"".join(data for _, data in inputs), len(head)


def texts(*values: str) -> bytes:
    return b"".join(struct.pack("<I", len(v.encode())) + v.encode() for v in values)


def test_a_table_as_json() -> None:
    arrays, request = decoder(*TABLE)(body(AGE, CITY, ROOMS, GARDEN, id="7", unknown=1))
    np.testing.assert_array_equal(arrays["age"], np.array([1.5, np.nan]))
    assert arrays["home city"].tolist() == ["Ulm", ""]
    assert (arrays["rooms"].tolist(), arrays["rooms"].dtype) == ([3, -4], np.int64)
    assert (arrays["garden"].tolist(), arrays["garden"].dtype) == ([True, False], np.bool_)
    assert (request.id, request.binary) == ("7", False)


def test_a_table_in_bytes() -> None:
    content, length = in_bytes(
        (AGE, np.array([1.5, np.nan], "<f8").tobytes()),
        (CITY, texts("Köln", "")),
        (ROOMS, np.array([3, -4], "<i8").tobytes()),
        (GARDEN, b"\1\0"),
    )
    arrays, _ = decoder(*TABLE)(content, length)
    np.testing.assert_array_equal(arrays["age"], np.array([1.5, np.nan]))
    assert arrays["home city"].tolist() == ["Köln", ""]
    assert (arrays["rooms"].tolist(), arrays["rooms"].dtype) == ([3, -4], np.int64)
    assert (arrays["garden"].tolist(), arrays["garden"].dtype) == ([True, False], np.bool_)


def test_json_and_bytes_in_one_request() -> None:
    rest = [json.loads(json.dumps(each)) for each in (CITY, GARDEN)]
    head = body(
        {**AGE, "data": [1, 2]},
        {**ROOMS, "parameters": {"binary_data_size": 16}, "data": []},
        *rest,
    )
    arrays, _ = decoder(*TABLE)(head + np.array([3, -4], "<i8").tobytes(), len(head))
    assert arrays["rooms"].tolist() == [3, -4]
    assert arrays["age"].tolist() == [1, 2]


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6, 7, 8], [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]])
def test_images_flat_or_nested(data: list[Any]) -> None:
    given = {"name": "image", "datatype": "UINT8", "shape": [2, 2, 2], "data": data}
    arrays, _ = decoder(IMAGE)(body(given))
    assert arrays["image"].dtype == np.uint8
    assert arrays["image"].tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]


@pytest.mark.parametrize("data", [[1.5, None], [[1.5], [None]]])
def test_a_column_is_taken_too(data: list[Any]) -> None:
    arrays, _ = decoder(TABLE[0])(body({**AGE, "shape": [2, 1], "data": data}))
    np.testing.assert_array_equal(arrays["age"], np.array([1.5, np.nan]))


PIXELS = {"name": "image", "datatype": "UINT8", "shape": [1, 2, 2]}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "name": ({**PIXELS, "name": "x"}, "inputs.x: unknown; the model takes image"),
    "datatype": ({**PIXELS, "datatype": "FP32"}, "datatype: expected UINT8, got FP32"),
    "shape": ({**PIXELS, "shape": [1, 4]}, "inputs.image.shape: expected [n, 2, 2], got [1, 4]"),
    "no rows": ({**PIXELS, "shape": [0, 2, 2]}, "image.shape: expected at least one instance"),
    "negative": ({**PIXELS, "shape": [-1, 2, 2]}, "inputs[0].shape[0]"),
    "no data": (PIXELS, "inputs.image.data: missing"),
    "no list": ({**PIXELS, "data": 5}, "inputs.image.data: expected list, got integer"),
    "few": ({**PIXELS, "data": [1, 2]}, "expected 4 values for the shape [1, 2, 2], got 2"),
    "rows": ({**PIXELS, "data": [[[1, 2], [3, 4]]] * 2}, "expected 1 rows for the shape"),
    "ragged": (
        {**PIXELS, "data": [[[1, 2], [3]]]},
        "inputs.image.data[0][1]: expected list of length 2",
    ),
    "large": ({**PIXELS, "data": [1, 2, 3, 256]}, "data[3]: expected integer <= 255"),
    "deep": (
        {**PIXELS, "data": [[[1, 2], [3, "4"]]]},
        "data[0][1][1]: expected integer, got string",
    ),
    "text": (
        {**PIXELS, "data": [1, 2, 3, "4"]},
        "data[3]: expected integer, got string",
    ),
    "null": ({**PIXELS, "data": [1, 2, 3, None]}, "got null"),
}


@pytest.mark.parametrize("name", BAD)
def test_the_message_names_the_field(name: str) -> None:
    given, message = BAD[name]
    with pytest.raises(RequestError) as raised:
        decoder(IMAGE)(body(given))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the body is not JSON"),
        (b'{"inputs": [', "the body is not JSON"),
        (b"[1]", "the body: expected object"),
        (b"{}", "inputs: missing"),
        (body(), "inputs.age: missing"),
        (body(AGE, AGE), "inputs.age: given twice"),
        (body(AGE, CITY, ROOMS), "inputs.garden: missing"),
        (body(AGE, CITY, ROOMS, {**GARDEN, "shape": [1], "data": [True]}), "as many rows in each"),
        (body({**AGE, "data": [float("nan"), 1]}), "the body is not JSON"),
        (body(AGE, outputs=[{"name": "x"}]), "outputs.x: unknown; the model gives probabilities"),
    ],
)
def test_a_table_that_is_rejected(content: bytes, message: str) -> None:
    with pytest.raises(RequestError) as raised:
        decoder(*TABLE)(content)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("given", "data", "message"),
    [
        (ROOMS, b"123", "inputs.rooms: expected 16 bytes for the shape [2], got 3"),
        (AGE, np.array([1, np.inf]).tobytes(), "inputs.age[1]: inf is not allowed"),
        (GARDEN, b"\0\2", "inputs.garden[1]: "),
        (CITY, texts("Ulm"), "inputs.home city: expected 2 texts, got 1"),
        (CITY, texts("Ulm", "Hof")[:-1], "inputs.home city: text 1 is cut short"),
        (CITY, b"\1\0", "inputs.home city: text 0"),
        (CITY, texts("Ulm") + b"\1\0\0\0\xff", "inputs.home city: text 1"),
    ],
)
def test_bytes_that_are_rejected(given: dict[str, Any], data: bytes, message: str) -> None:
    content, length = in_bytes((given, data))
    with pytest.raises(RequestError) as raised:
        decoder(*TABLE)(content, length)
    assert message in str(raised.value)


def test_bytes_that_do_not_add_up() -> None:
    content, length = in_bytes((ROOMS, b"1" * 16))
    for wrong, message in [
        (content + b"1", "1 bytes belong to no input"),
        (content[:-1], "binary_data_size: 16, but 15 bytes are left"),
    ]:
        with pytest.raises(RequestError, match=message):
            decoder(TABLE[2])(wrong, length)
    with pytest.raises(RequestError, match="Inference-Header-Content-Length: the body has"):
        decoder(TABLE[2])(content, len(content) + 1)


def test_nan_is_rejected_where_nothing_may_be_missing() -> None:
    width = Tensor("width", "float32", ())
    given = {"name": "width", "datatype": "FP32", "shape": [1]}
    content, length = in_bytes((given, np.float32([np.nan]).tobytes()))
    with pytest.raises(RequestError, match=r"inputs.width\[0\]: nan is not allowed"):
        decoder(width)(content, length)
    with pytest.raises(RequestError, match="a number is too large for float32"):
        decoder(width)(body({**given, "data": [1e300]}))


PREDICTIONS = np.float32([[0.1, 0.9], [0.25, 0.75]])


def test_the_answer_as_json() -> None:
    _, request = decoder(TABLE[2])(body(ROOMS, id="7"))
    content, head = v2.encode(request, PREDICTIONS, OUTPUT, "flats", "3")
    assert head is None
    answer = json.loads(content)
    [tensor] = answer.pop("outputs")
    assert answer == {"model_name": "flats", "model_version": "3", "id": "7"}
    assert np.float32(tensor.pop("data")).tolist() == PREDICTIONS.ravel().tolist()
    assert tensor == {"name": "probabilities", "datatype": "FP32", "shape": [2, 2]}


@pytest.mark.parametrize(
    "asked",
    [
        {"parameters": {"binary_data_output": True}},
        {"outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}]},
    ],
)
def test_the_answer_in_bytes(asked: dict[str, Any]) -> None:
    _, request = decoder(TABLE[2])(body(ROOMS, **asked))
    content, head = v2.encode(request, PREDICTIONS, OUTPUT, "flats", "3")
    [tensor] = json.loads(content[:head])["outputs"]
    assert tensor["parameters"] == {"binary_data_size": 16}
    assert content[head:] == PREDICTIONS.tobytes()


def test_a_prediction_that_is_no_number() -> None:
    _, request = decoder(TABLE[2])(body(ROOMS))
    with pytest.raises(ModelError, match=r"instances\[1\] is inf"):
        v2.encode(request, np.float32([[0, 1], [np.inf, 0]]), OUTPUT, "flats", "3")


def test_the_metadata() -> None:
    signature = Signature("", (IMAGE, TABLE[1]), OUTPUT, (), "")
    assert v2.metadata(signature, "flats", "3") == {
        "name": "flats",
        "versions": ["3"],
        "platform": "onnx_model",
        "inputs": [
            {"name": "image", "datatype": "UINT8", "shape": [-1, 2, 2]},
            {"name": "home city", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}],
    }


@pytest.mark.parametrize("prefix", ["/v2/models/digits", "/v2/models/digits/versions/1"])
def test_v2_over_http(server: Any, prefix: str) -> None:
    [image] = server.http.get(prefix).json()["inputs"]
    assert image == {"name": "image", "datatype": "UINT8", "shape": [-1, 8, 8]}
    assert server.http.get(f"{prefix}/ready").json() == {"name": "digits", "ready": True}
    head = b'{"inputs":[{"name":"image","datatype":"UINT8","shape":[1,8,8],"parameters":'
    head += b'{"binary_data_size":64}}],"parameters":{"binary_data_output":true}}'
    response = server.http.post(
        f"{prefix}/infer",
        content=head + bytes(64),
        headers={"Inference-Header-Content-Length": str(len(head))},
    )
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/octet-stream"
    length = int(response.headers["inference-header-content-length"])
    assert len(response.content) - length == 4 * 10
    wrong = server.http.post(f"{prefix}/infer", content=head, headers={"X": "y"})
    assert wrong.status_code == 400
    assert server.http.get("/v2/models/digits/versions/2").status_code == 404


def test_a_length_that_no_body_has_is_refused(server: Any) -> None:
    headers = {"Inference-Header-Content-Length": "1" * 4301}
    response = server.http.post("/v2/models/digits/infer", content=b"{}", headers=headers)
    assert response.status_code == 400
    assert "Inference-Header-Content-Length" in response.json()["error"]
