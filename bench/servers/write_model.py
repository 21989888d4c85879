"""Write a model store for each model to the folder given, and the model as MLflow's.

image: 28×28 pixels → 128 → 10 classes. table: eight columns, one of them text → a number.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import mlflow.onnx
import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from onnx import TensorProto, helper, numpy_helper

SIDE, HIDDEN, CLASSES = 28, 128, 10
NUMBERS = [f"number{index}" for index in range(6)]
CITIES = ["Ulm", "Mainz", "Köln"]
DTYPES = {TensorProto.FLOAT: "float32", TensorProto.INT64: "int64", TensorProto.STRING: "string"}


def image() -> tuple[onnx.GraphProto, dict]:
    random = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray:
        return random.normal(0, 0.05, shape).astype(np.float32)

    constants = {
        "scale": np.float32([1 / 255]),
        "w1": weights(SIDE * SIDE, HIDDEN),
        "b1": weights(HIDDEN),
        "w2": weights(HIDDEN, CLASSES),
        "b2": weights(CLASSES),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["real", "scale"], ["scaled"]),
            helper.make_node("Flatten", ["scaled"], ["flat"]),
            helper.make_node("Gemm", ["flat", "w1", "b1"], ["z1"]),
            helper.make_node("Relu", ["z1"], ["a1"]),
            helper.make_node("Gemm", ["a1", "w2", "b2"], ["z2"]),
            helper.make_node("Softmax", ["z2"], ["probabilities"]),
        ],
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", SIDE, SIDE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return graph, {
        "task": "image-classification",
        "inputs": [{"name": "image", "dtype": "uint8", "shape": [SIDE, SIDE]}],
        "output": {"name": "probabilities", "dtype": "float32", "shape": [CLASSES]},
        "classes": [str(index) for index in range(CLASSES)],
    }


def table() -> tuple[onnx.GraphProto, dict]:
    kinds = dict.fromkeys(NUMBERS, TensorProto.FLOAT)
    kinds |= {"count": TensorProto.INT64, "city": TensorProto.STRING}
    nodes = [
        helper.make_node("Cast", ["count"], ["counted"], to=TensorProto.FLOAT),
        helper.make_node(
            "LabelEncoder",
            ["city"],
            ["place"],
            domain="ai.onnx.ml",
            keys_strings=CITIES,
            values_floats=[1.0, 2.0, 3.0],
            default_float=0.0,
        ),
        helper.make_node("Sum", [*NUMBERS, "counted", "place"], ["prediction"]),
    ]
    graph = helper.make_graph(
        nodes,
        "table",
        [helper.make_tensor_value_info(name, kind, ["n"]) for name, kind in kinds.items()],
        [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ["n"])],
    )
    return graph, {
        "task": "tabular-regression",
        "inputs": [
            {"name": name, "dtype": DTYPES[kind], "shape": []} for name, kind in kinds.items()
        ],
        "output": {"name": "prediction", "dtype": "float32", "shape": []},
        "classes": [],
    }


def deploy(store: Path) -> None:
    """Put the exported model `1` in service as version 1, as the project's store.py does."""
    files = {path.name: hashlib.sha256(path.read_bytes()) for path in (store / "1").iterdir()}
    listed = "".join(f"{files[name].hexdigest()}  {name}\n" for name in sorted(files))
    sha256 = hashlib.sha256(listed.encode()).hexdigest()
    home = store / "digits"
    shutil.copytree(store / "1", home / f"1-{sha256[:12]}")
    (home / "current.json").write_text(json.dumps({"version": "1", "sha256": sha256}))


def write(store: Path, graph: onnx.GraphProto, signature: dict) -> None:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    content = model.SerializeToString()
    directory = store / "1"
    directory.mkdir(parents=True)
    (directory / "model.onnx").write_bytes(content)
    signature = {**signature, "sha256": hashlib.sha256(content).hexdigest()}
    (directory / "signature.json").write_text(json.dumps(signature))
    deploy(store)

    def spec(tensor: dict) -> TensorSpec:
        dtype = np.dtype(str if tensor["dtype"] == "string" else tensor["dtype"])
        return TensorSpec(dtype, (-1, *tensor["shape"]), tensor["name"])

    inputs = Schema([spec(tensor) for tensor in signature["inputs"]])
    mlflow.onnx.save_model(model, str(store / "mlflow"), signature=ModelSignature(inputs))


if __name__ == "__main__":
    for name, made in {"image": image, "table": table}.items():
        write(Path(sys.argv[1]) / name, *made())
