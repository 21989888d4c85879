"""Models to score with, and rows with texts and gaps for them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper

from blueprint.model import Model, Signature, Tensor, digest

CLASSES = ("cheap", "fair", "dear")
CITIES = ["Mainz", "Köln", "Trier"]
INPUTS = {"age": ("float32", True), "rooms": ("int64", False), "city": ("string", True)}


def write_model(directory: Path, classes: tuple[str, ...] = CLASSES, weight: float = 0.1) -> Path:
    """A linear model of age, rooms and city; without classes, it is the sum of them."""
    nodes, values = [], []
    for name, (dtype, _) in INPUTS.items():
        if dtype == "string":
            node = helper.make_node(
                "LabelEncoder",
                [name],
                [f"{name}/raw"],
                domain="ai.onnx.ml",
                keys_strings=CITIES,
                values_floats=[1.0, 2.0, 3.0],
                default_float=-1.0,
            )
            kind = TensorProto.STRING
        else:
            node = helper.make_node("Cast", [name], [f"{name}/raw"], to=TensorProto.FLOAT)
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        values.append(helper.make_tensor_value_info(name, kind, ["rows"]))
        nodes += [
            node,
            helper.make_node("IsNaN", [f"{name}/raw"], [f"{name}/gap"]),
            helper.make_node("Where", [f"{name}/gap", "forty", f"{name}/raw"], [f"{name}/known"]),
            helper.make_node("Unsqueeze", [f"{name}/known", "axis"], [f"{name}/column"]),
        ]
    columns = max(1, len(classes))
    weights = np.arange(3 * columns, dtype=np.float32).reshape(3, columns) * weight - 0.4
    nodes += [
        helper.make_node("Concat", [f"{name}/column" for name in INPUTS], ["table"], axis=1),
        helper.make_node("MatMul", ["table", "weights"], ["sums"]),
        helper.make_node("Softmax", ["sums"], ["output"], axis=1)
        if classes
        else helper.make_node("Squeeze", ["sums", "axis"], ["output"]),
    ]
    shape = (len(classes),) if classes else ()
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["rows", *shape])
    constants = {"forty": np.float32(40), "axis": np.array([1]), "weights": weights}
    graph = helper.make_graph(
        nodes,
        "model",
        values,
        [output],
        [onnx.numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    directory.mkdir(parents=True)
    file = directory / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=versions, ir_version=8), file)
    inputs = tuple(Tensor(name, dtype, (), gaps) for name, (dtype, gaps) in INPUTS.items())
    task = "tabular-classification" if classes else "tabular-regression"
    answer = Tensor("output", "float32", shape)
    signature = Signature(task, inputs, answer, classes, digest(file))
    signature.write(directory / "signature.json")
    return directory


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return Model(write_model(tmp_path / "model"))


@pytest.fixture
def rows() -> pl.DataFrame:
    """2,500 flats; `id` has zeros in front, `note` what CSV has to quote."""
    random = np.random.default_rng(1)
    n = 2_500
    gaps = random.random((2, n)) < 0.1
    return pl.DataFrame(
        {
            "id": [f"{number:06}" for number in range(n)],
            "age": pl.Series(random.normal(40, 10, n).round(1)),
            "city": pl.Series(random.choice([*CITIES, "Ulm"], n)),
            "rooms": random.integers(1, 9, n),
            "note": ['a "quoted", text\nin two lines', None] * (n // 2),
        }
    ).with_columns(
        pl.when(~pl.Series(gaps[0])).then("age").alias("age"),
        pl.when(~pl.Series(gaps[1])).then("city").alias("city"),
    )


@pytest.fixture
def model_writer() -> Callable[..., Path]:
    return write_model


@pytest.fixture
def picture_model(tmp_path: Path) -> Model:
    """A model of 8 × 8 pixels that gives their mean."""
    directory = tmp_path / "picture model"
    directory.mkdir()
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["output"], axes=[1, 2], keepdims=0),
    ]
    pixels = helper.make_tensor_value_info("image", TensorProto.UINT8, ["rows", 8, 8])
    mean = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["rows"])
    graph = helper.make_graph(nodes, "model", [pixels], [mean])
    file = directory / "model.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file
    )
    inputs = (Tensor("image", "uint8", (8, 8)),)
    answer = Tensor("output", "float32", ())
    signature = Signature("tabular-regression", inputs, answer, (), digest(file))
    signature.write(directory / "signature.json")
    return Model(directory)
