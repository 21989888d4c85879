"""The Open Inference (V2) protocol: health, metadata, and predictions in JSON and in bytes."""

import json

import pytest
from conformance import v2
from conformance.target import Target, Tensor


def test_the_server_is_live_and_ready(target: Target) -> None:
    assert target.http.get("/v2/health/live").json()["live"] is True
    assert target.http.get("/v2/health/ready").json()["ready"] is True


def test_the_server_names_its_extensions(target: Target) -> None:
    server = target.http.get("/v2").json()
    assert isinstance(server["name"], str)
    assert isinstance(server["version"], str)
    assert "binary_tensor_data" in server["extensions"]


@pytest.mark.parametrize("case", ["", "version"])
def test_the_model_is_ready(target: Target, case: str) -> None:
    response = target.http.get(f"{path(target, case)}/ready")
    assert response.status_code == 200
    assert response.json() == {"name": target.name, "ready": True}


@pytest.mark.parametrize("case", ["", "version"])
def test_the_metadata_describe_inputs_and_outputs(target: Target, case: str) -> None:
    metadata = target.http.get(path(target, case)).json()
    assert metadata["name"] == target.name
    assert metadata["versions"] == [target.version]
    assert isinstance(metadata["platform"], str)
    signature = target.signature
    assert metadata["inputs"] == [described(tensor) for tensor in signature.inputs]
    assert metadata["outputs"] == [described(signature.output)]


@pytest.mark.parametrize("rows", [1, 2, 7, 64])
def test_json_predictions_are_those_of_the_model(target: Target, rows: int) -> None:
    answer, predictions = v2.read(target.infer(v2.request(target.take(rows))))
    assert answer["model_name"] == target.name
    assert answer["model_version"] == target.version
    assert answer["outputs"][0]["name"] == target.signature.output.name
    assert answer["outputs"][0]["shape"] == list(target.expected(rows).shape)
    target.check(predictions, target.expected(rows))


@pytest.mark.parametrize("rows", [1, 2, 7, 64])
def test_binary_predictions_are_those_of_the_model(target: Target, rows: int) -> None:
    body, headers = v2.binary_request(
        target.take(rows), parameters={"binary_data_output": True}, id="42"
    )
    response = target.infer(body, headers)
    answer, predictions = v2.read(response)
    assert v2.HEADER in response.headers
    assert "data" not in answer["outputs"][0]
    assert predictions.dtype == target.signature.output.numpy_dtype
    assert predictions.tobytes() == target.expected(rows).tobytes()


def test_values_in_json_may_be_nested(target: Target) -> None:
    inputs = [v2.in_json(name, array, nested=True) for name, array in target.take(3).items()]
    response = target.infer(json.dumps({"inputs": inputs}).encode())
    target.check(v2.read(response)[1], target.expected(3))


def test_a_scalar_input_may_be_a_column(target: Target) -> None:
    rows = target.take(3)
    columns = {name: a[:, None] if a.ndim == 1 else a for name, a in rows.items()}
    target.check(v2.read(target.infer(v2.request(columns)))[1], target.expected(3))


def test_inputs_in_bytes_and_the_answer_in_json(target: Target) -> None:
    response = target.infer(*v2.binary_request(target.take(2)))
    answer, predictions = v2.read(response)
    assert v2.HEADER not in response.headers
    assert "data" in answer["outputs"][0]
    target.check(predictions, target.expected(2))


def test_inputs_in_json_and_the_answer_in_bytes(target: Target) -> None:
    output = {"name": target.signature.output.name, "parameters": {"binary_data": True}}
    response = target.infer(v2.request(target.take(2), outputs=[output]))
    assert v2.HEADER in response.headers
    assert v2.read(response)[1].tobytes() == target.expected(2).tobytes()


def test_some_inputs_in_json_and_some_in_bytes(target: Target) -> None:
    first = target.signature.inputs[0].name
    response = target.infer(*v2.binary_request(target.take(2), in_text=[first]))
    target.check(v2.read(response)[1], target.expected(2))


def test_what_an_output_says_goes_before_what_the_request_says(target: Target) -> None:
    output = {"name": target.signature.output.name, "parameters": {"binary_data": False}}
    request = v2.request(target.take(1), outputs=[output], parameters={"binary_data_output": True})
    response = target.infer(request)
    assert v2.HEADER not in response.headers
    target.check(v2.read(response)[1], target.expected(1))


def test_a_missing_value_is_null_or_nan(target: Target) -> None:
    row, names = target.empty()
    expected = target.model.predict(row)
    inputs = [v2.in_json(name, array) for name, array in row.items()]
    for given in inputs:
        if given["name"] in names:
            given["data"] = [None] * len(given["data"])
    in_json = target.infer(json.dumps({"inputs": inputs}).encode())
    target.check(v2.read(in_json)[1], expected)
    in_bytes = target.infer(*v2.binary_request(row))
    target.check(v2.read(in_bytes)[1], expected)


def test_the_id_of_a_request_comes_back(target: Target) -> None:
    answer, _ = v2.read(target.infer(v2.request(target.take(1), id="a request")))
    assert answer["id"] == "a request"
    answer, _ = v2.read(target.infer(v2.request(target.take(1))))
    assert answer.get("id", "") != "a request"


def test_a_version_may_be_asked_for(target: Target) -> None:
    request = v2.request(target.take(1))
    response = target.http.post(f"{path(target, 'version')}/infer", content=request)
    target.check(v2.read(response)[1], target.expected(1))


def path(target: Target, case: str = "") -> str:
    """Where a model is, or one version of it."""
    return f"/v2/models/{target.name}" + (f"/versions/{target.version}" if case else "")


def described(tensor: Tensor) -> dict[str, object]:
    """A tensor of the signature as the metadata have it: the number of rows is free."""
    datatype = v2.DATATYPES[tensor.dtype]
    return {"name": tensor.name, "datatype": datatype, "shape": [-1, *tensor.shape]}
