"""XGBoost's and LightGBM's estimators for skl2onnx, which knows them through onnxmltools."""

from importlib import import_module
from typing import Any

from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)
from sklearn.base import is_classifier

CONVERTERS = {
    "lightgbm": ("lightgbm.operator_converters.LightGbm", "convert_lightgbm"),
    "xgboost": ("xgboost.operator_converters.XGBoost", "convert_xgboost"),
}


def register(kind: Any) -> None:
    """Make skl2onnx convert estimators of this class, or of one that inherits from them."""
    packages = [base.__module__.split(".")[0] for base in kind.__mro__]
    module, function = next(CONVERTERS[name] for name in packages if name in CONVERTERS)
    try:
        convert = getattr(import_module(f"onnxmltools.convert.{module}"), function)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"its converter is not installed ({error.name}): uv add --group training onnxmltools"
        ) from None
    classifier = is_classifier(kind())
    update_registered_converter(
        kind,
        kind.__name__,
        calculate_linear_classifier_output_shapes
        if classifier
        else calculate_linear_regressor_output_shapes,
        convert,
        options={"nocl": [True, False], "zipmap": [True, False]} if classifier else None,
    )
