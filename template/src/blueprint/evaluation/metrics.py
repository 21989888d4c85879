"""Numbers that say how good a model is.

The project holds those of its task, `classification` or `regression`. What cannot be computed is
NaN, never an invented number: the gate rejects NaN.
"""

import math
from collections.abc import Iterable
from importlib import import_module
from typing import Any, NamedTuple

TITLES = {
    "classification": {
        "accuracy": "Accuracy",
        "macro_f1": "Macro F1",
        "roc_auc": "ROC AUC (one-vs-rest)",
        "log_loss": "Log loss",
        "calibration_error": "Calibration error",
    },
    "regression": {
        "rmse": "Root mean squared error",
        "mae": "Mean absolute error",
        "r2": "R² (share of the variance explained)",
    },
}


class Predictions(NamedTuple):
    """What a model predicted for n rows, beside the truth.

    With `classes`, `labels` (n,) are indices into them and `outputs` (n, classes) probabilities.
    A regression has no classes: both are numbers (n,).
    """

    labels: Any
    outputs: Any
    classes: tuple[str, ...]

    @property
    def task(self) -> Any:
        """The module with the metrics, the tables and the plots of such predictions."""
        kind = "classification" if self.classes else "regression"
        return import_module(f"{__package__}.{kind}")

    @property
    def problem(self) -> str:
        """Why these predictions cannot be scored, in one line; empty when they can.

        Raises ValueError for arrays that do not belong together, which is a mistake in the code.
        """
        return str(self.task.problem(self.labels, self.outputs))

    def metrics(self, names: Iterable[str] | None = None) -> dict[str, float]:
        """The task's metrics, or those of `names`; all are NaN with a `problem`."""
        functions = self.task.FUNCTIONS
        values = dict.fromkeys(functions if names is None else names, math.nan)
        if not self.problem:
            for name in values.keys() & functions.keys():
                value = float(functions[name](self.labels, self.outputs))
                values[name] = value if math.isfinite(value) else math.nan
        return values


def title_of(name: str) -> str:
    """What a report calls a metric or a quantity that was watched in training."""
    title = next((titles[name] for titles in TITLES.values() if name in titles), "")
    return title or (name[:1].upper() + name[1:]).replace("_", " ")
