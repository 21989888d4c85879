"""scikit-learn estimators and pipelines, boosted trees, and encoders before a network."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
import onnx

from ..data import Schema, as_table
from . import graph
from .errors import ExportError
from .family import last_step

OPSETS = {"": 20, "ai.onnx.ml": 3}
# scikit-learn's default for words, and what it is for ONNX Runtime (RE2).
WORDS, RE2_WORDS = r"(?u)\b\w\w+\b", r"[\pL\pN_]{2,}"
LOCALE = "C.UTF-8"  # every Linux image has it; the default, en_US, must be installed


def encode(encoding: Any, features: Mapping[str, np.ndarray]) -> np.ndarray:
    """What a network after the encoder takes: (n, width), float32."""
    rows = encoding.transform(as_table(features))
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, np.float32)


def predict(model: Any, features: Mapping[str, np.ndarray]) -> np.ndarray:
    """Probabilities (n, classes) of a classifier, numbers (n,) of a regressor."""
    from sklearn.base import is_classifier

    rows = as_table(features) if _takes_columns(model) else side_by_side(features)
    return np.asarray(model.predict_proba(rows) if is_classifier(model) else model.predict(rows))


def to_onnx(model: Any, schema: Schema) -> onnx.ModelProto:
    """A graph with an input for each feature."""
    from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
    from sklearn.base import is_classifier

    packages = {kind.__module__.split(".")[0] for kind in type(last_step(model)).__mro__}
    if packages & {"lightgbm", "xgboost"}:
        from .boosting import register

        register(type(last_step(model)))
    if is_classifier(model):
        check_classes(model, schema)
    options: dict[Any, Any] = {id(model): {"zipmap": False}} if is_classifier(model) else {}
    converted = _convert(model, schema, OPSETS, options)
    if is_classifier(model):  # its second output: the name depends on those of the features
        converted = select_model_inputs_outputs(converted, converted.graph.output[1].name)
    return graph.take_raw(converted, schema)


def check_classes(model: Any, schema: Schema) -> None:
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
    converted = _convert(encoding, schema, {name: opsets[name] for name in OPSETS}, {})
    converted.ir_version = before.ir_version
    for opset in converted.opset_import:  # the lowest that would do; merging wants equal ones
        opset.version = opsets.get(opset.domain, opset.version)
    whole = graph.take_raw(converted, schema)
    last = whole.graph.output[0].name
    graph.rename(whole.graph, lambda name: graph.ENCODED if name == last else name)
    return whole


def _convert(model: Any, schema: Schema, opsets: dict[str, int], options: Any) -> onnx.ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.preprocessing import OneHotEncoder

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
    with ExitStack() as stack:
        for step in _steps(model):
            if isinstance(step, CountVectorizer):  # TfidfVectorizer is one
                options[id(step)] = {"locale": LOCALE}
                if step.analyzer == "word" and step.token_pattern == WORDS:
                    options[id(step)]["tokenexp"] = RE2_WORDS
            # skl2onnx takes all others for "error"; it raises where there are rare categories.
            if isinstance(step, OneHotEncoder) and step.handle_unknown != "error":
                stack.callback(setattr, step, "handle_unknown", step.handle_unknown)
                step.handle_unknown = "ignore"
        return convert_sklearn(model, "model", types, target_opset=opsets, options=options)


def _steps(model: Any) -> Iterator[Any]:
    """A model, and the fitted ones inside of it."""
    yield model
    for name in ("steps", "transformers_", "transformer_list"):
        for _, step, *_ in getattr(model, name, ()):
            yield from _steps(step)


def _takes_columns(model: Any) -> bool:
    """Whether the first step picks its columns by name."""
    from sklearn.compose import ColumnTransformer

    steps = getattr(model, "steps", None)
    return isinstance(steps[0][1] if steps else model, ColumnTransformer)


def side_by_side(features: Mapping[str, np.ndarray]) -> np.ndarray:
    """All numbers of a row, (n, width), float32."""
    rows = [array.reshape(len(array), -1).astype(np.float32) for array in features.values()]
    return np.concatenate(rows, axis=1)
