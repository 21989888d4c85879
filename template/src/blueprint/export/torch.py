"""PyTorch modules, alone or behind a scikit-learn encoder.

A module takes the features as tensors, in their order, and gives probabilities or numbers: a
classifier ends in a softmax.
"""

import logging
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import torch

from ..data import Schema
from . import graph
from .family import encoder, last_step
from .sklearn import encode, encoder_to_onnx

BATCH = 1024  # rows at once: convolutions need many times their input


def predict(model: Any, features: Mapping[str, np.ndarray]) -> np.ndarray:
    """What the network says: (n, classes) or (n, 1)."""
    network = last_step(model).eval()
    arrays = list(features.values())
    if (encoding := encoder(model)) is not None:
        arrays = [encode(encoding, features)]
    parts = zip(*(torch.from_numpy(array).split(BATCH) for array in arrays), strict=True)
    with torch.no_grad():
        return np.concatenate([network(*part).numpy() for part in parts])


def to_onnx(model: Any, schema: Schema) -> onnx.ModelProto:
    """A graph with an input for each feature."""
    encoding = encoder(model)
    if encoding is None:
        rows = {
            graph.input_name(index): torch.zeros(
                (2, *feature.shape), dtype=getattr(torch, feature.dtype)
            )
            for index, feature in enumerate(schema.features.values())
        }
        return _network(model, rows)
    width = len(encoding.get_feature_names_out())
    network = _network(last_step(model), {graph.ENCODED: torch.zeros((2, width))})
    return graph.join(encoder_to_onnx(encoding, schema, network), network)


def _network(module: Any, rows: dict[str, Any]) -> onnx.ModelProto:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses libraries nobody needs
    with warnings.catch_warnings(action="ignore"):
        program = torch.onnx.export(
            module.eval(),
            tuple(rows.values()),
            dynamo=True,
            input_names=list(rows),
            output_names=[graph.OUTPUT],
            dynamic_shapes=[{0: torch.export.Dim("rows")} for _ in rows],
            verbose=False,
        )
    return program.model_proto
