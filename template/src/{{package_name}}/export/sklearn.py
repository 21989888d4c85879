"""scikit-learn estimators and pipelines, XGBoost's among them, and encoders before a network."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from ..data import Schema, as_table
from . import graph
from .errors import ExportError
from .family import last_step

OPSETS = {"": 20, "ai.onnx.ml": 3}


def encode(encoding: Any, features: Mapping[str, np.ndarray]) -> np.ndarray:
    """What a network after the encoder takes: (n, width), float32."""
    return np.asarray(encoding.transform(as_table(features)), np.float32)


def predict(model: Any, features: Mapping[str, np.ndarray]) -> np.ndarray:
    """Probabilities (n, classes) of a classifier, numbers (n,) of a regressor."""
    from sklearn.base import is_classifier

    rows = as_table(features) if _takes_columns(model) else _matrix(features)
    return np.asarray(model.predict_proba(rows) if is_classifier(model) else model.predict(rows))


def to_onnx(model: Any, schema: Schema) -> onnx.ModelProto:
    """A graph with an input for each feature."""
    from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
    from sklearn.base import is_classifier

    if any(kind.__module__.startswith("xgboost") for kind in type(last_step(model)).__mro__):
        from .xgboost import register

        register(type(last_step(model)))
    if is_classifier(model):
        _check_classes(model, schema)
    options = {"zipmap": False} if is_classifier(model) else None
    converted = _convert(model, schema, OPSETS, options)
    if is_classifier(model):
        converted = select_model_inputs_outputs(converted, "probabilities")
    return graph.take_raw(converted, schema)


def _check_classes(model: Any, schema: Schema) -> None:
    """Refuse a classifier that was fitted on names of classes, and has them in another order."""
    names = [str(name) for name in getattr(model, "classes_", ())]
    if sorted(names) == sorted(schema.classes) and names != list(schema.classes):
        raise ExportError(
            f"the model has the classes {', '.join(names)} in this order, the data has "
            f"{', '.join(schema.classes)}: order them in steps/data.py, or by data.columns"
        )


def encoder_to_onnx(encoding: Any, schema: Schema, before: onnx.ModelProto) -> onnx.ModelProto:
    """The graph of an encoder, in the ONNX version of the network that comes after it."""
    opsets = OPSETS | {opset.domain: opset.version for opset in before.opset_import}
    converted = _convert(encoding, schema, {name: opsets[name] for name in OPSETS}, None)
    converted.ir_version = before.ir_version
    for opset in converted.opset_import:  # the lowest that would do; merging wants equal ones
        opset.version = opsets[opset.domain]
    whole = graph.take_raw(converted, schema)
    graph.rename(whole.graph, {whole.graph.output[0].name: graph.ENCODED})
    return whole


def _convert(model: Any, schema: Schema, opsets: dict[str, int], options: Any) -> onnx.ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    if _takes_columns(model):
        kinds = {True: StringTensorType, False: FloatTensorType}
        types = [(name, kinds[name in schema.texts]([None, 1])) for name in schema.features]
    else:
        if schema.texts:
            raise ExportError(
                f"{type(model).__name__} takes numbers, and {', '.join(schema.texts)} is text: "
                "put a ColumnTransformer before it that encodes texts"
            )
        width = sum(int(np.prod(feature.shape)) for feature in schema.features.values())
        types = [(graph.MATRIX, FloatTensorType([None, width]))]
    chosen = {id(model): options} if options else None
    return convert_sklearn(model, "model", types, target_opset=opsets, options=chosen)


def _takes_columns(model: Any) -> bool:
    """Whether the first step picks its columns by name."""
    from sklearn.compose import ColumnTransformer

    steps = getattr(model, "steps", None)
    return isinstance(steps[0][1] if steps else model, ColumnTransformer)


def _matrix(features: Mapping[str, np.ndarray]) -> np.ndarray:
    rows = [array.reshape(len(array), -1).astype(np.float32) for array in features.values()]
    return np.concatenate(rows, axis=1)
