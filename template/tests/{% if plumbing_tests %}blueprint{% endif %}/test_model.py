import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from blueprint import model
from blueprint.model import Model, ModelError, Tensor


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A model of 8×8 images that is sure of class 3."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["real"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weights", "bias"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 10])],
        [
            numpy_helper.from_array(np.zeros((64, 10), np.float32), "weights"),
            numpy_helper.from_array(10 * np.eye(10, dtype=np.float32)[3], "bias"),
        ],
    )
    write(graph, tmp_path)
    model.Signature(
        task="image-classification",
        inputs=(Tensor("image", "uint8", (8, 8)),),
        output=Tensor("probabilities", "float32", (10,)),
        classes=tuple("0123456789"),
        sha256=model.digest(tmp_path / "model.onnx"),
    ).write(tmp_path / "signature.json")
    return tmp_path


def write(graph: onnx.GraphProto, directory: Path) -> None:
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    graph_model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    onnx.save(graph_model, directory / "model.onnx")


def change(directory: Path, **fields: object) -> None:
    path = directory / "signature.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_prediction_is_one_row_of_probabilities_for_each_image(exported: Path) -> None:
    probabilities = Model(exported).predict({"image": np.zeros((5, 8, 8), np.uint8)})
    assert probabilities.shape == (5, 10)
    assert probabilities.dtype == np.float32
    assert (probabilities.argmax(axis=1) == 3).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


def test_a_batch_of_none_has_no_predictions(exported: Path) -> None:
    assert Model(exported).predict({"image": np.zeros((0, 8, 8), np.uint8)}).shape == (0, 10)


def test_the_example_can_be_predicted(exported: Path) -> None:
    loaded = Model(exported, threads=1)
    assert loaded.predict(loaded.example(2)).shape == (2, 10)


def test_the_signature_says_what_the_model_takes_and_gives(exported: Path) -> None:
    signature = Model(exported).signature
    assert signature.inputs == (Tensor("image", "uint8", (8, 8)),)
    assert signature.output == Tensor("probabilities", "float32", (10,))
    assert signature.classes == tuple("0123456789")


def test_a_signature_reads_what_it_writes(exported: Path, tmp_path: Path) -> None:
    signature = Model(exported).signature
    signature.write(tmp_path / "copy.json")
    assert model.Signature.read(tmp_path / "copy.json") == signature


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "expected the inputs image; got none"),
        ({"picture": np.zeros((1, 8, 8), np.uint8)}, "expected the inputs image; got picture"),
        ({"image": np.zeros((2, 8, 7), np.uint8)}, r"expected uint8 \[n, 8, 8\], got uint8 \[2, 8"),
        ({"image": np.zeros((2, 8, 8))}, r"expected uint8 \[n, 8, 8\], got float64"),
    ],
)
def test_inputs_that_do_not_fit_are_rejected(
    exported: Path, inputs: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        Model(exported).predict(inputs)


def test_several_scalar_inputs(tmp_path: Path) -> None:
    names = ["height", "width"]
    graph = helper.make_graph(
        [helper.make_node("Mul", names, ["area"])],
        "area",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in names],
        [helper.make_tensor_value_info("area", TensorProto.FLOAT, ["n"])],
    )
    write(graph, tmp_path)
    model.Signature(
        task="tabular-regression",
        inputs=tuple(Tensor(name, "float32", ()) for name in names),
        output=Tensor("area", "float32", ()),
        classes=(),
        sha256=model.digest(tmp_path / "model.onnx"),
    ).write(tmp_path / "signature.json")
    inputs = {"height": np.float32([1, 2]), "width": np.float32([3, 4])}
    loaded = Model(tmp_path)
    assert loaded.predict(inputs).tolist() == [3, 8]
    with pytest.raises(ModelError, match=r"width: expected float32 \[n\], got float32 \[1\]"):
        loaded.predict(inputs | {"width": np.float32([3])})


def truncate(directory: Path) -> None:
    path = directory / "model.onnx"
    path.write_bytes(path.read_bytes()[:-10])


def nonsense(directory: Path) -> None:
    (directory / "model.onnx").write_bytes(b"nonsense")
    change(directory, sha256=model.digest(directory / "model.onnx"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "model.onnx: is damaged"),
        (nonsense, "model.onnx: cannot be loaded"),
        (lambda d: (d / "model.onnx").unlink(), "model.onnx: cannot be read"),
        (lambda d: (d / "signature.json").unlink(), "signature.json: cannot be read"),
        (lambda d: (d / "signature.json").write_text("{"), "signature.json: Invalid JSON"),
        (lambda d: (d / "signature.json").write_text("[]"), "signature.json: Input should"),
        (lambda d: (d / "signature.json").write_text("{}"), "signature.json: task: Field required"),
        (lambda d: change(d, inputs=[]), "inputs: Tuple should have at least 1 item"),
        (
            lambda d: change(d, output={"name": "logits", "dtype": "float32", "shape": [10]}),
            "does not give 'logits', as its signature says",
        ),
        (
            lambda d: change(d, inputs=[{"name": "image", "dtype": "uint8", "shape": [8, 7]}]),
            r"its signature says uint8 \[n, 8, 7\]",
        ),
        (
            lambda d: change(d, inputs=[{"name": "image", "dtype": "float32", "shape": [8, 8]}]),
            r"its signature says float32 \[n, 8, 8\]",
        ),
        (
            lambda d: change(d, inputs=[{"name": "image", "dtype": "complex", "shape": [8, 8]}]),
            "unknown dtype 'complex'",
        ),
        (
            lambda d: change(
                d, inputs=[{"name": "image", "dtype": "uint8", "shape": [8, 8], "nullable": True}]
            ),
            "uint8 has no missing values",
        ),
        (lambda d: change(d, format="pickle"), "format: Input should be 'onnx' or 'pyfunc'"),
        (lambda d: change(d, format="pyfunc"), "pyfunc: cannot be read"),
    ],
)
def test_a_model_that_cannot_be_trusted_is_not_loaded(
    exported: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(exported)
    with pytest.raises(ModelError, match=message) as raised:
        Model(exported)
    assert "\n" not in str(raised.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such model directory"):
        Model(tmp_path / "nowhere")


def test_texts_and_what_is_missing(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("IsNaN", ["age"], ["unknown"]),
            helper.make_node(
                "LabelEncoder",
                ["city"],
                ["known"],
                domain="ai.onnx.ml",
                keys_strings=[""],
                values_floats=[0.0],
                default_float=1.0,
            ),
            helper.make_node("Cast", ["unknown"], ["number"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["number", "known"], ["prediction"]),
        ],
        "missing",
        [
            helper.make_tensor_value_info("age", TensorProto.DOUBLE, ["n"]),
            helper.make_tensor_value_info("city", TensorProto.STRING, ["n"]),
        ],
        [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ["n"])],
    )
    write(graph, tmp_path)
    model.Signature(
        task="tabular-regression",
        inputs=(Tensor("age", "float64", (), nullable=True), Tensor("city", "string", ())),
        output=Tensor("prediction", "float32", ()),
        classes=(),
        sha256=model.digest(tmp_path / "model.onnx"),
    ).write(tmp_path / "signature.json")
    loaded = Model(tmp_path)
    ages, cities = np.array([np.nan, 1, 2]), np.array(["Ulm", "", "größer"], object)
    assert loaded.predict({"age": ages, "city": cities}).tolist() == [2, 0, 1]
    assert loaded.example(2)["city"].tolist() == ["", ""]
    assert np.isnan(loaded.example(2)["age"]).all()
    assert loaded.predict(loaded.example(2)).tolist() == [1, 1]
    with pytest.raises(ModelError, match=r"city: expected string \[n\], got float64 \[3\]"):
        loaded.predict({"age": ages, "city": ages})


@pytest.fixture(scope="module")
def doubler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without ONNX: a folder as MLflow writes it. It doubles the age."""
    from mlflow import pyfunc

    directory = tmp_path_factory.mktemp("a model")
    code = directory / "doubler.py"
    code.write_text(
        """
from mlflow import models, pyfunc


class Doubler(pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        ages = model_input["age"]
        if ages[0] == -1:
            return ages[:-1]
        if ages[0] == -2:
            return ["young"] * len(ages)
        return [2 * age for age in ages]


models.set_model(Doubler())
"""
    )
    pyfunc.save_model(str(directory / "pyfunc"), python_model=str(code), pip_requirements=[])
    model.Signature(
        task="tabular-regression",
        inputs=(Tensor("age", "float64", (), nullable=True),),
        output=Tensor("prediction", "float32", ()),
        classes=(),
        sha256=model.digest(directory / "pyfunc"),
        format="pyfunc",
    ).write(directory / "signature.json")
    return directory


def test_a_model_without_onnx_is_run_by_mlflow(
    doubler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = Model(doubler)
    prediction = loaded.predict({"age": np.array([1, 2.5, np.nan])})
    assert prediction.dtype == np.float32
    np.testing.assert_array_equal(prediction, np.float32([2, 5, np.nan]))
    assert loaded.predict({"age": np.zeros(0)}).shape == (0,)
    assert Model(doubler).signature.format == "pyfunc"  # loading has not changed the folder
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"age": np.float32([1])}, r"age: expected float64 \[n\], got float32 \[1\]"),
        ({"age": np.array([-1.0, 0])}, r"prediction: expected float32 \[n\], got shape \[1\]"),
        ({"age": np.array([-2.0])}, r"the model failed \(ValueError: could not convert string"),
    ],
)
def test_code_is_checked_as_a_graph_is(
    doubler: Path, inputs: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        Model(doubler).predict(inputs)


def test_a_folder_that_was_changed_is_not_loaded(doubler: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(doubler, tmp_path / "copy")
    (copy / "pyfunc" / "__pycache__").mkdir(exist_ok=True)
    (copy / "pyfunc" / "__pycache__" / "doubler.pyc").touch()
    Model(copy)
    (copy / "pyfunc" / "doubler.py").rename(copy / "pyfunc" / "other.py")
    with pytest.raises(ModelError, match="pyfunc: is damaged"):
        Model(copy)
    change(copy, sha256=model.digest(copy / "pyfunc"))
    with pytest.raises(ModelError, match="pyfunc: cannot be loaded") as raised:
        Model(copy)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("mlflow", "mlflow.*: mlflow and all that the model imports must be installed where"),
        ("not_installed", "cannot be loaded .*not_installed"),
    ],
)
def test_a_package_that_the_server_lacks_is_named(
    doubler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, message: str
) -> None:
    copy = shutil.copytree(doubler, tmp_path / "copy")
    code = copy / "pyfunc" / "doubler.py"
    code.write_text(f"import {missing}\n{code.read_text()}")
    change(copy, sha256=model.digest(copy / "pyfunc"))
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModelError, match=message) as raised:
        Model(copy)
    assert "\n" not in str(raised.value)


def test_the_digest_of_a_folder_is_that_of_its_list_of_files(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "c.txt").write_text("c")
    (folder / "a.txt").write_text("a")
    listed = "".join(
        f"{hashlib.sha256(name[-5:-4].encode()).hexdigest()}  {name}\n"
        for name in ("a.txt", "b/c.txt")
    )
    assert model.digest(folder) == hashlib.sha256(listed.encode()).hexdigest()
