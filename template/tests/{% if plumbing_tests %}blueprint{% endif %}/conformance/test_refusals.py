"""What V1 refuses: with 4xx, {"error": "…"} that names the field, and a server that goes on."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from conformance.target import Target, first_replaced

Case = Callable[[Target], tuple[bytes, str]]


def body(*instances: object) -> bytes:
    return json.dumps({"instances": instances}).encode()


def changed(target: Target, tensor: Any, change: Callable[[Any], Any]) -> tuple[bytes, str]:
    """A request whose second row is changed in one input, and how the refusal names that."""
    good, row = target.instances(2)
    value = change(row[tensor.name])
    return body(good, row | {tensor.name: value}), f"instances[1].{tensor.name}"


def wrong_type(target: Target) -> tuple[bytes, str]:
    tensor = target.input()
    new = 7 if tensor.dtype == "string" else "text"
    return changed(target, tensor, lambda value: first_replaced(value, new))


def ragged(target: Target) -> tuple[bytes, str]:
    def cut(value: Any) -> Any:
        deep = isinstance(value, list) and isinstance(value[0], list)
        return [value[0][:-1], *value[1:]] if deep else [value, [value]]

    return changed(target, target.input(), cut)


def number(new: object) -> Case:
    return lambda target: changed(
        target, target.input("iuf"), lambda value: first_replaced(value, new)
    )


def null(target: Target) -> tuple[bytes, str]:
    tensor = target.input(nullable=False)
    return changed(target, tensor, lambda value: first_replaced(value, None))


def missing(target: Target) -> tuple[bytes, str]:
    good, row = target.instances(2)
    name = target.input().name
    del row[name]
    return body(good, row), f"instances[1].{name}"


def extra(target: Target) -> tuple[bytes, str]:
    good, row = target.instances(2)
    return body(good, row | {"no such column": 1}), "instances[1].no such column"


CASES: dict[str, Case] = {
    "wrong shape": lambda target: changed(target, target.input(), lambda value: [value]),
    "wrong type": wrong_type,
    "ragged": ragged,
    "NaN": number(float("nan")),
    "Infinity": number(float("inf")),
    "too large": number(10**400),
    "null": null,
    "missing column": missing,
    "extra column": extra,
    "empty": lambda target: (b"", "JSON"),
    "text": lambda target: (b"hello", "JSON"),
    "truncated": lambda target: (body(*target.instances(2))[:-3], "JSON"),
    "no object": lambda target: (b"[1]", "instances"),
    "no instances": lambda target: (b"{}", "instances"),
    "null instances": lambda target: (b'{"instances": null}', "instances"),
    "0 instances": lambda target: (body(), "instances"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_request_is_refused(target: Target, case: str) -> None:
    target.refusal(target.predict(CASES[case](target)[0]))
    target.check_alive()


@pytest.mark.parametrize("case", CASES)
def test_the_refusal_names_the_field(target: Target, case: str) -> None:
    content, field = CASES[case](target)
    assert field in target.refusal(target.predict(content))


def test_a_body_of_50_mb_does_no_harm(target: Target) -> None:
    target.refuses_50_mb(target.predict_path)
    target.check_alive()


def test_another_model_is_not_here(target: Target) -> None:
    for response in (
        target.http.post("/v1/models/another:predict", content=body(*target.instances(1))),
        target.http.get("/v1/models/another"),
        target.http.get("/v1/models/another/metadata"),
    ):
        target.refusal(response)
        assert response.status_code == 404


def test_get_is_no_way_to_predict(target: Target) -> None:
    response = target.http.get(target.predict_path)
    target.refusal(response)
    assert response.status_code == 405
