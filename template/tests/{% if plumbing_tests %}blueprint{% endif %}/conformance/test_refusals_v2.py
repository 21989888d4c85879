"""What V2 refuses: with 4xx, {"error": "…"} that names the field, and a server that goes on."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conformance import v2
from conformance.target import Target

Case = Callable[[Target], tuple[bytes, dict[str, str], str]]
MANY = "9" * 9


def changed(change: Callable[[dict[str, Any]], Any], kinds: str = "biufO") -> Case:
    """A request that is changed in one input; its headers, and how the refusal names that."""

    def case(target: Target) -> tuple[bytes, dict[str, str], str]:
        name = target.input(kinds).name
        inputs = [v2.in_json(key, array) for key, array in target.take(2).items()]
        change(next(given for given in inputs if given["name"] == name))
        return json.dumps({"inputs": inputs}).encode(), {}, f"inputs.{name}"

    return case


def first(new: object, kinds: str) -> Case:
    """A request whose first value of these kinds is another."""
    return changed(lambda given: given["data"].__setitem__(0, new), kinds)


def no_json(literal: float) -> Case:
    """JSON has no such number, so it is the body that is refused."""
    return lambda target: (*first(literal, "iuf")(target)[:2], "JSON")


def wrong_type(target: Target) -> tuple[bytes, dict[str, str], str]:
    return first(7 if target.input().dtype == "string" else "text", "biufO")(target)


def infinite_bytes(target: Target) -> tuple[bytes, dict[str, str], str]:
    rows, tensor = target.take(2), target.input("f")
    rows[tensor.name].flat[-1] = np.inf
    return *v2.binary_request(rows), f"inputs.{tensor.name}"


def in_bytes(change: Callable[[bytes, int], tuple[bytes, object]], word: str) -> Case:
    """A request in bytes whose content and header are changed."""

    def case(target: Target) -> tuple[bytes, dict[str, str], str]:
        content, headers = v2.binary_request(target.take(2))
        content, header = change(content, int(headers[v2.HEADER]))
        return content, headers | {v2.HEADER: str(header)}, word

    return case


def missing(target: Target) -> tuple[bytes, dict[str, str], str]:
    rows = target.take(2)
    name = target.input().name
    del rows[name]
    return v2.request(rows), {}, f"inputs.{name}" if rows else "inputs"


def unknown_input(target: Target) -> tuple[bytes, dict[str, str], str]:
    rows = target.take(2)
    rows["no such input"] = next(iter(rows.values()))
    return v2.request(rows), {}, "inputs.no such input"


def unknown_output(target: Target) -> tuple[bytes, dict[str, str], str]:
    outputs = [{"name": "no such output"}]
    return v2.request(target.take(1), outputs=outputs), {}, "outputs.no such output"


CASES: dict[str, Case] = {
    "wrong datatype": changed(lambda given: given.update(datatype="FP16")),
    "wrong shape": changed(lambda given: given["shape"].append(3)),
    "fewer values than the shape": changed(lambda given: given["data"].pop()),
    "0 instances": changed(lambda given: given.update(shape=[0, *given["shape"][1:]], data=[])),
    "no data": changed(lambda given: given.pop("data")),
    "ragged": changed(lambda given: given.update(data=[given["data"][:1], given["data"]])),
    "wrong type": wrong_type,
    "NaN": no_json(float("nan")),
    "Infinity": no_json(float("inf")),
    "infinity in bytes": infinite_bytes,
    "missing input": missing,
    "unknown input": unknown_input,
    "unknown output": unknown_output,
    "empty": lambda target: (b"", {}, "JSON"),
    "truncated": lambda target: (v2.request(target.take(2))[:-3], {}, "JSON"),
    "no inputs": lambda target: (b"{}", {}, "inputs"),
    "a byte too few": in_bytes(lambda content, head: (content[:-1], head), "binary_data_size"),
    "a byte too many": in_bytes(lambda content, head: (content + b"1", head), "body"),
    "a header beyond the body": in_bytes(lambda content, head: (content, MANY), v2.HEADER),
    "a header that is no number": in_bytes(lambda content, head: (content, "many"), v2.HEADER),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_request_is_refused_and_the_field_named(target: Target, case: str) -> None:
    content, headers, word = CASES[case](target)
    assert word in target.refusal(target.infer(content, headers))
    target.check_alive()


def test_a_body_of_50_mb_does_no_harm(target: Target) -> None:
    target.refuses_50_mb(f"/v2/models/{target.name}/infer")
    target.check_alive()


@pytest.mark.parametrize("path", ["another", "another/versions/1", "{name}/versions/no-such"])
def test_another_model_or_version_is_not_here(target: Target, path: str) -> None:
    path = f"/v2/models/{path.format(name=target.name)}"
    for response in (
        target.http.get(path),
        target.http.get(f"{path}/ready"),
        target.http.post(f"{path}/infer", content=v2.request(target.take(1))),
    ):
        target.refusal(response)
        assert response.status_code == 404
