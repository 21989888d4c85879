"""XGBoost's estimators for skl2onnx, which knows them through onnxmltools' converter."""

from typing import Any

from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)
from sklearn.base import is_classifier


def register(kind: Any) -> None:
    """Make skl2onnx convert estimators of this class."""
    classifier = is_classifier(kind())
    update_registered_converter(
        kind,
        kind.__name__,
        calculate_linear_classifier_output_shapes
        if classifier
        else calculate_linear_regressor_output_shapes,
        convert_xgboost,
        options={"nocl": [True, False], "zipmap": [True, False]} if classifier else None,
    )
