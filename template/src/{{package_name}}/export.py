"""A trained model to the exported form that everything after training uses.

The form is a directory with `model.onnx` and `signature.json`. What is written is proven: the ONNX
file must give the native model's own predictions, or the step fails.
"""

import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .data import Dataset, Schema
from .errors import UserError
from .model import Model

# float32 networks differ by about 1e-6 between runtimes; a real fault is orders larger.
TOLERANCE = 1e-4
CHECK_ROWS = 512
OUTPUT = "probabilities"
Exporter = Callable[[Any, Schema, Path], Callable[[dict[str, np.ndarray]], np.ndarray]]


class ExportError(UserError):
    """A model that cannot be exported, or whose export predicts something else."""


def export_model(model: Any, data: Dataset, directory: Path) -> None:
    """Write `model` (Keras, or scikit-learn with `predict_proba`) to `directory`.

    `data` gives the input's names, types and shapes, the classes, and rows for the check.
    Raises `ExportError`.
    """
    family = next((name for name in EXPORTERS if _made_by(model, name)), None)
    if family is None:
        raise ExportError(
            f"train_model in steps/train.py returned a {type(model).__name__}; "
            f"export.py can export {', '.join(EXPORTERS)} models"
        )
    directory.mkdir(parents=True, exist_ok=True)
    schema, path = data.schema, directory / "model.onnx"
    predict = EXPORTERS[family](model, schema, path)
    _write_signature(directory, schema, path)
    features, _ = next(data.batches(CHECK_ROWS))
    _check(predict(features), Model(directory).predict(features), len(schema.classes))


def _made_by(model: Any, package: str) -> bool:
    return any(kind.__module__.split(".")[0] == package for kind in type(model).__mro__)


def _keras(model: Any, schema: Schema, path: Path) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    with warnings.catch_warnings(action="ignore"):  # tf2onnx on NumPy 2
        model.export(path, format="onnx", verbose=False)
    _name_tensors(path, list(schema.features))
    names = list(schema.features)
    return lambda features: model.predict(
        features if len(names) > 1 else features[names[0]], verbose=0
    )


def _sklearn(
    model: Any, schema: Schema, path: Path
) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    import onnx
    from onnx import TensorProto, helper
    from skl2onnx import to_onnx
    from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs

    if len(schema.features) != 1:
        raise ExportError(f"scikit-learn models take one feature here, not {len(schema.features)}")
    [(name, feature)] = schema.features.items()
    width = int(np.prod(feature.shape, dtype=int))
    row = np.zeros((1, width), np.float32)
    converted = to_onnx(model, row, options={"zipmap": False})
    exported = select_model_inputs_outputs(converted, OUTPUT)
    graph = exported.graph
    # Estimators take flat rows of floats: put the way there from raw values in front.
    flat = graph.input[0].name
    graph.node.insert(0, helper.make_node("Flatten", [f"{name}/real"], [flat], axis=1))
    graph.node.insert(0, helper.make_node("Cast", [name], [f"{name}/real"], to=TensorProto.FLOAT))
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(feature.dtype))
    raw = helper.make_tensor_value_info(name, kind, [None, *feature.shape])
    graph.input[0].CopyFrom(raw)
    onnx.save(exported, path)
    return lambda features: model.predict_proba(features[name].reshape(len(features[name]), -1))


EXPORTERS: dict[str, Exporter] = {"keras": _keras, "sklearn": _sklearn}


def _name_tensors(path: Path, inputs: list[str]) -> None:
    """Give inputs and the output their contract's names, and the rest names that follow from order.

    The exporter numbers tensors differently in every run; so equal models would be unequal files.
    """
    import onnx

    model = onnx.load(path)
    graph = model.graph
    old = [tensor.name for tensor in (*graph.input, *graph.output)]
    if len(old) != len(inputs) + 1:
        raise ExportError(
            f"the model takes {len(graph.input)} inputs and gives {len(graph.output)} outputs; "
            f"expected one input for each feature ({', '.join(inputs)}) and one output"
        )
    names = dict(zip(old, [*inputs, OUTPUT], strict=True)) | {"": ""}  # "" is an absent input
    nested = any(attribute.g.node for node in graph.node for attribute in node.attribute)
    for node in graph.node:
        for field in (node.input, node.output):
            for name in field if not nested else ():  # inner graphs refer to outer names
                names.setdefault(name, f"{node.op_type}_{len(names)}")
            field[:] = [names.get(name, name) for name in field]
        node.name = node.output[0]
    for tensor in (*graph.input, *graph.output, *graph.initializer):
        tensor.name = names.get(tensor.name, tensor.name)
    for tensor in (*graph.input, *graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "rows"
    graph.initializer.sort(key=lambda tensor: tensor.name)
    del graph.value_info[:]
    graph.name, graph.doc_string = "model", ""
    onnx.save(model, path)


def _write_signature(directory: Path, schema: Schema, path: Path) -> None:
    signature = {
        "task": "image-classification",
        "inputs": [
            {"name": name, "dtype": feature.dtype, "shape": feature.shape}
            for name, feature in schema.features.items()
        ],
        "output": {"name": OUTPUT, "dtype": "float32", "shape": [len(schema.classes)]},
        "classes": schema.classes,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    (directory / "signature.json").write_text(json.dumps(signature, indent=2) + "\n")


def _check(native: np.ndarray, exported: np.ndarray, classes: int) -> None:
    if native.ndim != 2 or native.shape[1] != classes:
        raise ExportError(
            f"the model gives {list(native.shape[1:])} numbers a row; expected one probability "
            f"for each of the {classes} classes"
        )
    difference = float(np.max(np.abs(native - exported)))
    if not difference <= TOLERANCE:
        raise ExportError(
            f"the exported model differs from the trained one by {difference:.2g} on "
            f"{len(native)} rows; at most {TOLERANCE:g} is allowed"
        )
