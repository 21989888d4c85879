"""Work on ONNX graphs: raw values in front, an encoder before a network, the contract's output."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from ..data import Schema
from .errors import ExportError

INNER = "model/"  # before the names of what is inside: a column may be called anything
ENCODED = "model/encoded"  # between an encoder and a network: (rows, width), float32
MATRIX = "matrix"  # all features side by side: (rows, width), float32
OUTPUT = "output"
BATCH_AXIS = "rows"


def rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Give tensors other names, by their old ones."""
    for node in graph.node:
        for field in (node.input, node.output):
            field[:] = [names.get(name, name) for name in field]
        node.name = node.output[0]
    for tensor in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        tensor.name = names.get(tensor.name, tensor.name)


def join(encoder: onnx.ModelProto, network: onnx.ModelProto) -> onnx.ModelProto:
    """One graph of an encoder and the network that takes what it gives."""
    return compose.merge_models(
        encoder, compose.add_prefix(network, "network/"), [(ENCODED, f"network/{ENCODED}")]
    )


def take_raw(model: onnx.ModelProto, schema: Schema) -> onnx.ModelProto:
    """Put the way from raw features, each (rows, *shape), to the matrices that estimators take."""
    model = compose.add_prefix(model, INNER)
    graph, front, columns = model.graph, [], []
    matrix = [tensor.name for tensor in graph.input] == [INNER + MATRIX]
    for name, feature in schema.features.items():
        text, column, value = feature.dtype == "string", f"{name}/column", name
        if not text:
            value = f"{name}/float"
            front.append(helper.make_node("Cast", [name], [value], to=TensorProto.FLOAT))
        width = int(np.prod(feature.shape, dtype=int))
        front.append(helper.make_node("Reshape", [value, f"{name}/shape"], [column]))
        flat = np.array([-1, width], np.int64)
        graph.initializer.append(numpy_helper.from_array(flat, f"{name}/shape"))
        columns.append(column)
    if matrix:
        front.append(helper.make_node("Concat", columns, [INNER + MATRIX], axis=1))
    else:
        # By place: skl2onnx keeps no name that is not an identifier.
        rename(graph, dict(zip((tensor.name for tensor in graph.input), columns, strict=True)))
    nodes = [*front, *graph.node]
    del graph.node[:], graph.input[:]
    graph.node.extend(nodes)
    for name, feature in schema.features.items():
        kind = TensorProto.STRING
        if feature.dtype != "string":
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(feature.dtype))
        shape = [BATCH_AXIS, *feature.shape]
        graph.input.append(helper.make_tensor_value_info(name, kind, shape))
    return model


def finish(model: onnx.ModelProto, schema: Schema) -> onnx.ModelProto:
    """Give the one output its contract's name and shape, and leave out what only tools look at."""
    graph = model.graph
    [output] = graph.output
    raw, name = "output/raw", "probabilities" if schema.classes else "prediction"
    if name in schema.features:
        raise ExportError(
            f"a feature is called {name!r}, as the output is: rename it in steps/data.py"
        )
    rename(graph, {output.name: raw})
    shape = np.array([-1, len(schema.classes)] if schema.classes else [-1], np.int64)
    graph.initializer.append(numpy_helper.from_array(shape, "output/shape"))
    graph.node.append(helper.make_node("Cast", [raw], ["output/float"], to=TensorProto.FLOAT))
    graph.node.append(helper.make_node("Reshape", ["output/float", "output/shape"], [name]))
    given = helper.make_tensor_value_info(
        name, TensorProto.FLOAT, [BATCH_AXIS, *map(len, [schema.classes] if schema.classes else [])]
    )
    del graph.output[:], model.metadata_props[:], graph.metadata_props[:]
    graph.output.append(given)
    for tensor in graph.input:
        tensor.type.tensor_type.shape.dim[0].dim_param = BATCH_AXIS
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    graph.name, graph.doc_string = "model", ""
    model.opset_import.sort(key=lambda opset: opset.domain)  # skl2onnx keeps them in a set
    return model
