"""Keras models, alone or behind a scikit-learn encoder."""

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ..data import Schema
from . import graph
from .errors import ExportError
from .family import encoder, last_step
from .sklearn import encode, encoder_to_onnx


def predict(model: Any, features: Mapping[str, np.ndarray]) -> Any:
    """What the network says: (n, classes) or (n, 1)."""
    encoding = encoder(model)
    if encoding is not None:
        return last_step(model).predict(encode(encoding, features), verbose=0)
    inputs = dict(features) if len(features) > 1 else next(iter(features.values()))
    return model.predict(inputs, verbose=0)


def to_onnx(model: Any, schema: Schema) -> onnx.ModelProto:
    """A graph with an input for each feature."""
    encoding = encoder(model)
    if encoding is None:
        # Several inputs are given by name: the model may have them in another order.
        names = list(schema.features)
        inputs = [each.name for each in model.inputs] if len(names) > 1 else names
        return _network(model, [graph.input_name(names.index(name)) for name in inputs])
    network = _network(last_step(model), [graph.ENCODED])
    return graph.join(encoder_to_onnx(encoding, schema, network), network)


def _network(model: Any, inputs: list[str]) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.onnx"
        with warnings.catch_warnings(action="ignore"):  # tf2onnx on NumPy 2
            model.export(path, format="onnx", verbose=False)
        exported = onnx.load(path)
    _name_tensors(exported.graph, inputs)
    return exported


def _name_tensors(tensors: onnx.GraphProto, inputs: list[str]) -> None:
    """Give inputs their contract's names, and the rest names that follow from their order.

    The exporter numbers tensors differently in every run; so equal models would be unequal files.
    """
    old = [tensor.name for tensor in (*tensors.input, *tensors.output)]
    if len(old) != len(inputs) + 1:
        raise ExportError(
            f"the model takes {len(tensors.input)} inputs and gives {len(tensors.output)} outputs; "
            f"expected one input for each feature, {len(inputs)}, and one output"
        )
    names = dict(zip(old, [*inputs, graph.OUTPUT], strict=True))
    nested = any(attribute.g.node for node in tensors.node for attribute in node.attribute)
    for node in tensors.node:
        for field in (node.input, node.output):
            for name in field if not nested else ():  # inner graphs have names of their own
                names.setdefault(name, f"{node.op_type}_{len(names)}")
    graph.rename(tensors, lambda name: names.get(name, name))
    tensors.initializer.sort(key=lambda tensor: tensor.name)
    del tensors.value_info[:]
