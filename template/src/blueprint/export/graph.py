"""Work on ONNX graphs: raw values in front, an encoder before a network, the contract's output."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from ..data import Schema

ENCODED = "encoded"  # between an encoder and a network: (rows, width), float32
MATRIX = "matrix"  # all features side by side: (rows, width), float32
OUTPUT = "output"
BATCH_AXIS = "rows"


def input_name(index: int) -> str:
    """What the input of a feature is called until `finish`: a column may be called anything."""
    return f"input/{index}"


def rename(graph: onnx.GraphProto, name: Callable[[str], str]) -> None:
    """Give tensors other names, also in the graphs inside of nodes; `name` maps the old ones."""
    for node in graph.node:
        for field in (node.input, node.output):
            field[:] = [each and name(each) for each in field]  # "" is an absent one
        node.name = next(filter(None, node.output), node.name)
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                rename(inner, name)
    for tensor in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        tensor.name = name(tensor.name)


def join(encoder: onnx.ModelProto, network: onnx.ModelProto) -> onnx.ModelProto:
    """One graph of an encoder and the network that takes what it gives."""
    rename(network.graph, "network/{}".format)
    return compose.merge_models(encoder, network, [(ENCODED, f"network/{ENCODED}")])


def take_raw(model: onnx.ModelProto, schema: Schema) -> onnx.ModelProto:
    """Put the way from raw features, each (rows, *shape), to the matrices that estimators take."""
    graph, front, columns = model.graph, [], []
    matrix = [tensor.name for tensor in graph.input] == [MATRIX]
    rename(graph, "model/{}".format)
    for index, feature in enumerate(schema.features.values()):
        value = name = input_name(index)
        column, shape = f"column/{index}", f"shape/{index}"
        if feature.dtype != "string":
            value = f"float/{index}"
            front.append(helper.make_node("Cast", [name], [value], to=TensorProto.FLOAT))
        width = int(np.prod(feature.shape, dtype=int))
        front.append(helper.make_node("Reshape", [value, shape], [column]))
        flat = np.array([-1, width], np.int64)
        graph.initializer.append(numpy_helper.from_array(flat, shape))
        columns.append(column)
    if matrix:
        front.append(helper.make_node("Concat", columns, [f"model/{MATRIX}"], axis=1))
    else:
        # By place: skl2onnx keeps no name that is not an identifier.
        names = dict(zip((tensor.name for tensor in graph.input), columns, strict=True))
        rename(graph, lambda name: names.get(name, name))
    nodes = [*front, *graph.node]
    del graph.node[:], graph.input[:]
    graph.node.extend(nodes)
    for index, feature in enumerate(schema.features.values()):
        kind = TensorProto.STRING
        if feature.dtype != "string":
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(feature.dtype))
        axes = [BATCH_AXIS, *feature.shape]
        graph.input.append(helper.make_tensor_value_info(input_name(index), kind, axes))
    return model


def finish(model: onnx.ModelProto, schema: Schema, output: str) -> onnx.ModelProto:
    """Give inputs and output their contract's names, and leave out what only tools look at.

    All other names get a prefix that no feature's name begins with, so that none is used twice.
    """
    graph, prefix = model.graph, "model/"
    while any(name.startswith(prefix) for name in schema.features):
        prefix = f"_{prefix}"
    names = {input_name(index): name for index, name in enumerate(schema.features)}
    rename(graph, lambda name: names.get(name, f"{prefix}graph/{name}"))
    [given] = graph.output
    value, axes = f"{prefix}float", f"{prefix}axes"
    shape = np.array([-1, len(schema.classes)] if schema.classes else [-1], np.int64)
    graph.initializer.append(numpy_helper.from_array(shape, axes))
    graph.node.append(helper.make_node("Cast", [given.name], [value], to=TensorProto.FLOAT))
    graph.node.append(helper.make_node("Reshape", [value, axes], [output]))
    result = [BATCH_AXIS, *([len(schema.classes)] if schema.classes else [])]
    del graph.output[:], model.metadata_props[:], graph.metadata_props[:]
    graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, result))
    for tensor in graph.input:
        tensor.type.tensor_type.shape.dim[0].dim_param = BATCH_AXIS
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    graph.name, graph.doc_string = "model", ""
    model.opset_import.sort(key=lambda opset: opset.domain)  # skl2onnx keeps them in a set
    return model
