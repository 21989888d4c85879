"""The V1 protocol: predictions in JSON, the model's status and metadata."""

from typing import Any

import numpy as np
import pytest
from conformance.target import Target


@pytest.mark.parametrize("rows", [1, 2, 7, 64])
def test_predictions_are_those_of_the_model(target: Target, rows: int) -> None:
    response = target.predict({"instances": target.instances(rows)})
    assert response.status_code == 200, response.text
    target.check(response.json()["predictions"], target.expected(rows))


def test_a_bare_value_is_an_instance_where_the_model_has_one_input(target: Target) -> None:
    instances = target.instances(2)
    bare = [next(iter(row.values())) for row in instances]
    response = target.predict({"instances": bare})
    if len(target.signature.inputs) == 1:
        target.check(response.json()["predictions"], target.expected(2))
    else:
        assert response.status_code == 400
        assert "instances[0]" in response.json()["error"]


def test_bare_values_and_objects_may_be_in_one_request(target: Target) -> None:
    if len(target.signature.inputs) > 1:
        pytest.skip("the model has no bare values")
    first, second = target.instances(2)
    mixed = target.predict({"instances": [*first.values(), second]})
    assert mixed.status_code == 200, mixed.text
    target.check(mixed.json()["predictions"], target.expected(2))


def test_a_missing_value_is_null(target: Target) -> None:
    row, names = target.empty()
    nulls = {name: np.full(row[name].shape[1:], None).tolist() for name in names}
    response = target.predict({"instances": [target.instances(1)[0] | nulls]})
    assert response.status_code == 200, response.text
    target.check(response.json()["predictions"], target.model.predict(row))


def test_columns_may_come_in_any_order(target: Target) -> None:
    backwards = [dict(reversed(row.items())) for row in target.instances(3)]
    response = target.predict({"instances": backwards})
    target.check(response.json()["predictions"], target.expected(3))


def test_other_keys_of_the_body_are_ignored(target: Target) -> None:
    body: dict[str, Any] = {"signature_name": "serving_default", "instances": target.instances(1)}
    response = target.predict(body)
    target.check(response.json()["predictions"], target.expected(1))


@pytest.mark.parametrize("case", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_the_content_type_does_not_matter(target: Target, case: str) -> None:
    response = target.predict({"instances": target.instances(1)}, content_type=case)
    assert response.status_code == 200, response.text
    target.check(response.json()["predictions"], target.expected(1))


def test_an_answer_is_json_and_nothing_else(target: Target) -> None:
    response = target.predict({"instances": target.instances(1)})
    assert response.headers["content-type"].partition(";")[0] == "application/json"


def test_an_answer_names_the_version(target: Target) -> None:
    response = target.predict({"instances": target.instances(1)})
    assert response.headers["x-model-version"] == target.version


def test_the_status_names_the_version(target: Target) -> None:
    response = target.http.get(f"/v1/models/{target.name}")
    assert response.status_code == 200
    stated = response.json()["model_version_status"]
    available = {"version": target.version, "state": "AVAILABLE"}
    assert any(available.items() <= each.items() for each in stated)


def test_the_metadata_hold_the_signature(target: Target) -> None:
    metadata = target.http.get(f"/v1/models/{target.name}/metadata").json()
    assert (metadata["name"], metadata["version"]) == (target.name, target.version)
    signature = metadata["signature"]
    assert signature["sha256"] == target.signature.sha256, "another model than the one here"
    assert tuple(signature["classes"]) == target.signature.classes
    for described, tensor in zip(
        [*signature["inputs"], signature["output"]],
        [*target.signature.inputs, target.signature.output],
        strict=True,
    ):
        assert described["name"] == tensor.name
        assert described["dtype"] == tensor.dtype
        assert described["shape"] == list(tensor.shape)
        assert described["nullable"] == tensor.nullable
