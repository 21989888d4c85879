"""Write a model store with one model, 28×28 pixels → 128 → 10 classes, to the folder given."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

SIDE, HIDDEN, CLASSES = 28, 128, 10


def write(store: Path) -> None:
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
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    directory = store / "1"
    directory.mkdir(parents=True)
    (directory / "model.onnx").write_bytes(model)
    signature = {
        "task": "image-classification",
        "inputs": [{"name": "image", "dtype": "uint8", "shape": [SIDE, SIDE]}],
        "output": {"name": "probabilities", "dtype": "float32", "shape": [CLASSES]},
        "classes": [str(index) for index in range(CLASSES)],
        "sha256": hashlib.sha256(model).hexdigest(),
    }
    (directory / "signature.json").write_text(json.dumps(signature))
    (store / "current.json").write_text(json.dumps({"version": "1"}))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
