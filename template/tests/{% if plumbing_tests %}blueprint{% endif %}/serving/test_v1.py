import json

import numpy as np
import pytest

from blueprint.model import ModelError, Signature, Tensor
from blueprint.serving.http.v1 import Decoder, RequestError, encode


def decoder(*inputs: Tensor) -> Decoder:
    return Decoder(Signature("", inputs, Tensor("out", "float32", ()), (), ""))


def body(*instances: object) -> bytes:
    return json.dumps({"instances": instances}).encode()


HOUSE = decoder(
    Tensor("mean area", "float32", ()),
    Tensor("rooms", "int64", ()),
    Tensor("town", "string", ()),
    Tensor("garden", "bool", ()),
)
GOOD = {"mean area": 80.5, "rooms": 3, "town": "Ulm", "garden": True}


def test_every_input_becomes_a_column() -> None:
    arrays = HOUSE(body(GOOD, GOOD | {"mean area": 90, "town": "Hof"}))
    assert arrays["mean area"].tolist() == [80.5, 90]
    assert arrays["mean area"].dtype == np.float32
    assert arrays["rooms"].dtype == np.int64
    assert arrays["town"].tolist() == ["Ulm", "Hof"]
    assert arrays["town"].dtype == object
    assert arrays["garden"].tolist() == [True, True]


@pytest.mark.parametrize(
    ("instance", "message"),
    [
        ({"mean area": 80.5}, "instances[1].rooms: missing"),
        (GOOD | {"pool": 1}, "instances[1].pool: unknown; the model takes mean area, rooms"),
        (GOOD | {"mean area": "80"}, "instances[1].mean area: expected number, got string"),
        (GOOD | {"mean area": None}, "instances[1].mean area: expected number, got null"),
        (GOOD | {"mean area": float("nan")}, "mean area: expected number, got NaN"),
        (GOOD | {"mean area": 1e300}, "instances[1].mean area: a number is too large for float32"),
        (GOOD | {"mean area": 10**400}, "instances[1].mean area: number out of range"),
        (GOOD | {"mean area": [1]}, "instances[1].mean area: expected number, got list"),
        (GOOD | {"rooms": 2.5}, "instances[1].rooms: expected integer, got number"),
        (GOOD | {"rooms": 2**63}, "instances[1].rooms: expected integer <= 9223372036854775807"),
        (GOOD | {"rooms": True}, "instances[1].rooms: expected integer, got boolean"),
        (GOOD | {"town": 5}, "instances[1].town: expected string, got integer"),
        (GOOD | {"town": None}, "instances[1].town: expected string, got null"),
        (GOOD | {"town": ["Ulm"]}, "instances[1].town: expected string, got list"),
        (GOOD | {"garden": 1}, "instances[1].garden: expected boolean, got integer"),
        (GOOD | {"garden": None}, "instances[1].garden: expected boolean, got null"),
        (GOOD | {"x" * 999: 1}, "instances[1]." + "x" * 39 + "…: unknown; the model takes"),
        (None, "instances[1]: expected object, got null"),
        ({}, "instances[1].mean area: missing"),
        ([80.5, 3, "Ulm", True], "instances[1]: expected object, got list"),
    ],
)
def test_the_message_names_the_field(instance: object, message: str) -> None:
    with pytest.raises(RequestError) as raised:
        HOUSE(body(GOOD, instance))
    assert message in str(raised.value)


PERSON = decoder(
    Tensor("age", "float32", (), nullable=True),
    Tensor("income", "float64", (), nullable=True),
    Tensor("city", "string", (), nullable=True),
    Tensor("children", "int64", ()),
)
KNOWN = {"age": 42, "income": 1e300, "city": "Mainz", "children": 2}


def test_null_is_a_missing_value_where_there_may_be_one() -> None:
    arrays = PERSON(body(KNOWN, KNOWN | {"age": None, "income": None, "city": None}))
    np.testing.assert_array_equal(arrays["age"], np.float32([42, np.nan]))
    np.testing.assert_array_equal(arrays["income"], [1e300, np.nan])
    assert [array.dtype for array in arrays.values()] == [np.float32, np.float64, object, np.int64]
    assert arrays["city"].tolist() == ["Mainz", ""]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"children": None}, "instances[1].children: expected integer, got null"),
        ({"age": float("nan")}, "instances[1].age: expected number or null, got NaN"),
        ({"age": "NaN"}, "instances[1].age: expected number or null, got string"),
        ({"age": True}, "instances[1].age: expected number or null, got boolean"),
        ({"age": 1e39}, "instances[1].age: a number is too large for float32"),
        ({"age": -1e39, "income": None}, "instances[1].age: a number is too large for float32"),
        ({"age": float("-inf")}, "instances[1].age: expected number or null, got -Infinity"),
        ({"income": float("inf")}, "instances[1].income: expected number or null, got Infinity"),
        ({"city": 5}, "instances[1].city: expected string or null, got integer"),
    ],
)
def test_a_nullable_value_is_checked_as_well(values: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError) as raised:
        PERSON(body(KNOWN | {"age": None}, KNOWN | values))
    assert message in str(raised.value)


def test_a_missing_value_is_null_and_not_left_out() -> None:
    known = {name: value for name, value in KNOWN.items() if name != "age"}
    with pytest.raises(RequestError, match=r"instances\[0\].age: missing"):
        PERSON(body(known))


def test_missing_values_inside_of_lists() -> None:
    decode = decoder(
        Tensor("past", "float32", (3,), nullable=True), Tensor("tags", "string", (2,), True)
    )
    arrays = decode(body({"past": [1, None, 3], "tags": ["a", None]}))
    np.testing.assert_array_equal(arrays["past"], np.float32([[1, np.nan, 3]]))
    assert arrays["tags"].tolist() == [["a", ""]]
    with pytest.raises(RequestError, match=r"past: expected list, got null"):
        decode(body({"past": None, "tags": ["a", "b"]}))


@pytest.mark.parametrize(
    "name", ["class", "a.b", "größe (m²)", "", "input_1", 'a "quote"', "new\nline", "\0", "🏠"]
)
def test_a_column_may_have_any_name(name: str) -> None:
    decode = decoder(Tensor(name, "int8", ()), Tensor("other", "int8", ()))
    assert decode(body({"other": 2, name: 1}))[name].tolist() == [1]
    for row, message in [
        ({"other": 2, name: 1000}, f".{name}: expected integer <= 127"),
        ({"other": 2}, f".{name}: missing"),
        ({"other": 2, name: 1, "input_0": 1}, ": unknown; the model takes"),
        (1, ": expected object, got integer"),
    ]:
        with pytest.raises(RequestError) as raised:
            decode(body({"other": 2, name: 1}, row))
        assert str(raised.value).startswith("instances[1]")
        assert message in str(raised.value)


def test_a_single_column_may_have_any_name() -> None:
    decode = decoder(Tensor('"', "int8", ()))
    assert decode(body(1, {'"': 2}))['"'].tolist() == [1, 2]


def test_a_message_does_not_name_a_hundred_columns() -> None:
    decode = decoder(*(Tensor(f"c{index}", "float32", ()) for index in range(100)))
    with pytest.raises(RequestError) as raised:
        decode(body({"x": 1}))
    expected = "instances[0].x: unknown; the model takes c0, c1, c2, c3, c4, c5, …"
    assert str(raised.value) == expected


@pytest.mark.parametrize(("number", "fits"), [(2**64 - 1, True), (2**64, False), (-1, False)])
def test_the_widest_integers(number: int, fits: bool) -> None:
    decode = decoder(Tensor("id", "uint64", ()))
    if fits:
        assert decode(body(number))["id"].tolist() == [number]
    else:
        with pytest.raises(RequestError, match=r"instances\[0\](.id)?: "):
            decode(body(number))


def test_a_bare_value_may_be_null() -> None:
    decode = decoder(Tensor("x", "float64", (), nullable=True))
    np.testing.assert_array_equal(decode(body(1, None, {"x": None}))["x"], [1, np.nan, np.nan])


def test_bare_scalars_for_a_model_with_one_input() -> None:
    decode = decoder(Tensor("x", "float64", ()))
    assert decode(body(1, {"x": 2.5}))["x"].tolist() == [1, 2.5]


def test_numbers_come_back_exactly() -> None:
    predictions = np.float32([[0.1, 1e-12], [0.25, 3]])
    decoded = json.loads(encode(predictions))["predictions"]
    assert (np.float32(decoded) == predictions).all()


def test_predicted_numbers_are_a_flat_list() -> None:
    assert encode(np.float32([151.25, -1])) == b'{"predictions":[151.25,-1.0]}'


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        (np.float32([1, np.nan]), r"the prediction for instances\[1\] is nan"),
        (np.float32([[1, 0], [0, -np.inf]]), r"the prediction for instances\[1\] is -inf"),
    ],
)
def test_a_prediction_that_json_cannot_hold(predictions: np.ndarray, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        encode(predictions)
