"""The graph that an exporter wrote, with the names and the output of the project's contract."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..data.dataset import Feature

BATCH_AXIS = "rows"


def rename(graph: onnx.GraphProto, prefix: str, names: dict[str, str] | None = None) -> None:
    """Name tensors by their order, also in the graphs inside of nodes; `names` has exceptions.

    Exporters number tensors differently in every run; so equal models would be unequal files.
    """
    names = {} if names is None else names

    def new(name: str, origin: str) -> str:  # "" is an absent one
        return name and names.setdefault(name, f"{prefix}{origin}_{len(names)}")

    for tensor in graph.input:
        tensor.name = new(tensor.name, "input")
    for node in graph.node:
        for field in (node.input, node.output):
            field[:] = [new(name, node.op_type) for name in field]
        node.name, node.doc_string = next(filter(None, node.output), ""), ""
        del node.metadata_props[:]
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                rename(inner, prefix, names)
    for tensor in (*graph.output, *graph.initializer):
        tensor.name = new(tensor.name, "unused")
    graph.initializer.sort(key=lambda tensor: tensor.name)
    del graph.value_info[:], graph.metadata_props[:]


def finish(
    model: onnx.ModelProto, features: Mapping[str, Feature], output: str, shape: tuple[int, ...]
) -> onnx.ModelProto:
    """Call the inputs like the features, which are in the same order, and the output `output`.

    The output becomes float32 of (rows, *shape). No other name begins like that of a feature.
    """
    graph, prefix = model.graph, "model/"
    while any(name.startswith(prefix) for name in features):
        prefix = f"_{prefix}"
    given = [tensor.name for tensor in graph.input]
    rename(graph, prefix, dict(zip(given, features, strict=True)))
    value, axes = f"{prefix}float", f"{prefix}axes"
    graph.initializer.append(numpy_helper.from_array(np.array([-1, *shape], np.int64), axes))
    cast = helper.make_node("Cast", [graph.output[0].name], [value], to=TensorProto.FLOAT)
    graph.node.extend([cast, helper.make_node("Reshape", [value, axes], [output])])
    result = helper.make_tensor_value_info(output, TensorProto.FLOAT, [BATCH_AXIS, *shape])
    del graph.output[:], model.metadata_props[:]
    graph.output.append(result)
    for tensor in graph.input:
        tensor.type.tensor_type.shape.dim[0].dim_param = BATCH_AXIS
    graph.name, graph.doc_string = "model", ""
    model.opset_import.sort(key=lambda opset: opset.domain)  # skl2onnx keeps them in a set
    return model
