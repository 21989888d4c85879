"""CatBoost's estimators, alone or behind a scikit-learn encoder, by CatBoost's own exporter.

It exports trees on numbers: categories that CatBoost itself was given have no ONNX form.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from sklearn.base import is_classifier

from ..data import Schema
from . import graph
from .family import encoder, last_step
from .sklearn import OPSETS, check_classes, encode, encoder_to_onnx, side_by_side

IR_VERSION = 9  # the one that came with OPSETS


def predict(model: Any, features: Mapping[str, np.ndarray]) -> np.ndarray:
    """Probabilities (n, classes) of a classifier, numbers (n,) of a regressor."""
    trees, encoding = last_step(model), encoder(model)
    rows = side_by_side(features) if encoding is None else encode(encoding, features)
    return np.asarray(trees.predict_proba(rows) if is_classifier(trees) else trees.predict(rows))


def to_onnx(model: Any, schema: Schema) -> onnx.ModelProto:
    """A graph with an input for each feature."""
    from catboost.utils import convert_to_onnx_object

    trees, encoding = last_step(model), encoder(model)
    check_classes(trees, schema)
    converted = convert_to_onnx_object(trees)
    names = {"features": graph.MATRIX if encoding is None else graph.ENCODED}
    graph.rename(converted.graph, lambda name: names.get(name, name))
    node = converted.graph.node[0]  # after it, a classifier has one that makes dicts
    del converted.graph.node[1:], converted.graph.output[:], converted.opset_import[:]
    shape = [graph.BATCH_AXIS, None]
    result = helper.make_tensor_value_info(node.output[-1], TensorProto.FLOAT, shape)
    converted.graph.output.append(result)
    converted.opset_import.extend(helper.make_opsetid(*opset) for opset in OPSETS.items())
    converted.ir_version = IR_VERSION
    if encoding is None:
        return graph.take_raw(converted, schema)
    return graph.join(encoder_to_onnx(encoding, schema, converted), converted)
