"""Tiny models of pictures and of a table, written node by node: no training, and known answers."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from blueprint.model import Signature, Tensor, digest

MEDIAN_AGE = 40.0
AGE = Tensor("age", "float64", (), nullable=True)
CITY = Tensor("home city", "string", (), nullable=True)
HOUSE = Tensor("owns.house", "bool", ())
INPUTS = (AGE, CITY, HOUSE)
PRICE = Tensor("prediction", "float32", ())
CHANCES = Tensor("probabilities", "float32", (2,))


def write_picture_model(
    directory: Path, answer: int | None = 0, shape: Sequence[int] = (8, 8), work: int = 0
) -> Path:
    """A model that is sure of class `answer`; with None, one whose answers depend on the picture.

    `work` chains that many large matrix products, to make a prediction slow.
    """
    classes = 10
    pixels = int(np.prod(shape))
    weights = np.zeros((pixels, classes), np.float32)
    bias = np.zeros(classes, np.float32)
    if answer is None:
        weights = np.random.default_rng(1).normal(0, 0.003, weights.shape).astype(np.float32)
    else:
        bias[answer] = 10
    zeros = np.zeros((512, 512), np.float32)
    nodes = [
        helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["real"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["scores"]),
    ]
    scores = "scores"
    if work:  # adds 0, by products that depend on the input, so that nothing is folded away
        nodes.append(helper.make_node("ReduceSum", ["flat"], ["sum"], keepdims=0))
        nodes.append(helper.make_node("Add", ["zeros", "sum"], ["product0"]))
        for index in range(work):
            product = [f"product{index}", "zeros"]
            nodes.append(helper.make_node("MatMul", product, [f"product{index + 1}"]))
        nodes.append(helper.make_node("ReduceSum", [f"product{work}"], ["nothing"], keepdims=0))
        nodes.append(helper.make_node("Add", ["scores", "nothing"], ["late"]))
        scores = "late"
    nodes.append(helper.make_node("Softmax", [scores], ["probabilities"]))
    signature = Signature(
        task="image-classification",
        inputs=(Tensor("image", "uint8", tuple(shape)),),
        output=Tensor("probabilities", "float32", (classes,)),
        classes=tuple(str(index) for index in range(classes)),
        sha256="",
    )
    return _write(directory, nodes, {"weights": weights, "bias": bias, "zeros": zeros}, signature)


def write_table_model(directory: Path, output: Tensor = PRICE) -> Path:
    """price = 10 × (age, or the median) + (100 for Mainz, 200 for Ulm, 1 for others) + house.

    As a classifier: no if the price is 0, else yes.
    """
    nodes = [
        helper.make_node("IsNaN", ["age"], ["unknown"]),
        helper.make_node("Where", ["unknown", "median", "age"], ["known"]),
        helper.make_node("Cast", ["known"], ["years"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["years", "ten"], ["tens"]),
        helper.make_node(
            "LabelEncoder",
            ["home city"],
            ["place"],
            domain="ai.onnx.ml",
            keys_strings=["Mainz", "Ulm"],
            values_floats=[100.0, 200.0],
            default_float=1.0,
        ),
        helper.make_node("Cast", ["owns.house"], ["house"], to=TensorProto.FLOAT),
        helper.make_node("Sum", ["tens", "place", "house"], ["price"]),
    ]
    if output is PRICE:
        nodes.append(helper.make_node("Identity", ["price"], ["prediction"]))
    else:
        nodes.append(helper.make_node("Unsqueeze", ["price", "last"], ["column"]))
        nodes.append(helper.make_node("Mul", ["column", "sides"], ["scores"]))
        nodes.append(helper.make_node("Softmax", ["scores"], ["probabilities"]))
    constants = {
        "median": np.float64(MEDIAN_AGE),
        "ten": np.float32(10),
        "last": np.int64([1]),
        "sides": np.float32([[0, 1]]),
    }
    signature = Signature(
        task="tabular-regression" if output is PRICE else "tabular-classification",
        inputs=INPUTS,
        output=output,
        classes=() if output is PRICE else ("no", "yes"),
        sha256="",
    )
    return _write(directory, nodes, constants, signature)


def picture_rows(n: int = 64) -> dict[str, np.ndarray]:
    """Pictures that nobody has seen before."""
    return {"image": np.random.default_rng(2).integers(0, 256, (n, 8, 8), np.uint8)}


def table_rows(n: int = 64) -> dict[str, np.ndarray]:
    """Rows with all that a table may hold: gaps, empty texts, umlauts, and what is not Latin."""
    random = np.random.default_rng(3)
    ages = random.normal(40, 15, n)
    ages[::5] = np.nan
    cities = np.array(["Mainz", "Ulm", "", "Köln", "東京", "a 'b' \"c\"\n"], object)
    return {
        "age": ages,
        "home city": random.choice(cities, n),
        "owns.house": random.random(n) < 0.5,
    }


def _write(
    directory: Path,
    nodes: list[onnx.NodeProto],
    constants: dict[str, np.ndarray],
    signature: Signature,
) -> Path:
    """An exported model of these nodes; constants that no node uses are left out."""

    def describe(tensor: Tensor) -> onnx.ValueInfoProto:
        kind = helper.np_dtype_to_tensor_dtype(tensor.numpy_dtype)
        return helper.make_tensor_value_info(tensor.name, kind, ["n", *tensor.shape])

    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [describe(tensor) for tensor in signature.inputs],
        [describe(signature.output)],
        [numpy_helper.from_array(v, name) for name, v in constants.items() if name in used],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    directory.mkdir(parents=True)
    onnx.save(model, directory / "model.onnx")
    replace(signature, sha256=digest(directory / "model.onnx")).write(directory / "signature.json")
    return directory
