"""What surrounds `train_model` in steps/train.py: checked arguments, the export and a record."""

import inspect
import json
import math
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, ValidationError, validate_call

from ..data import Dataset
from ..errors import UserError
from . import export_model, library

RECORD = "training.json"


@dataclass(frozen=True)
class Training:
    """How a model was made; `training.json` beside the exported model."""

    parameters: dict[str, Any]
    curves: dict[str, list[float]]
    data: dict[str, str]
    python: str
    slow_road: str = ""  # why the model is no ONNX file
    framework: str = ""  # such as "keras 3.12.0"

    @classmethod
    def read(cls, directory: str | Path) -> "Training":
        record = json.loads((Path(directory) / RECORD).read_text())
        record["curves"] = {
            name: [math.nan if value is None else value for value in values]
            for name, values in record["curves"].items()
        }
        return cls(**record)

    def write(self, directory: str | Path) -> None:
        record = json.dumps(_nulls(asdict(self)), indent=2, allow_nan=False)
        (Path(directory) / RECORD).write_text(record + "\n")

    def facts(self) -> dict[str, Any]:
        """What a reader of the pipeline's run wants to see of the model."""
        return {**self.parameters, "data_hash": self.data["hash"]}

    def summary(self) -> str:
        """Where the curves ended, in one line: those of validation rows, if there are any."""
        last = {name: values[-1] for name, values in self.curves.items() if values}
        shown = [name for name in last if name.startswith("val_")] or list(last)
        epochs = max((len(values) for values in self.curves.values()), default=0)
        if not epochs:
            return "no learning curves"
        return " · ".join([f"{epochs} epochs", *(f"{name} {last[name]:.4f}" for name in shown)])

    def lines(self) -> list[str]:
        """What a person wants to know, a line each."""
        if not self.slow_road:
            return [self.summary()]
        return [
            self.summary(),
            f"fallback: {self.slow_road}",
            "so it is kept as an MLflow pyfunc, and served by Python: docs/your-own-model.md",
        ]


def train_and_export(
    train_model: Callable[..., Any],
    train: str | Path,
    validation: str | Path,
    parameters: dict[str, Any],
    directory: str | Path,
) -> Training:
    """Call `train_model` on two data sets, export its model to `directory`, and keep the record.

    Raises `UserError` for a parameter that `train_model` does not take or of another type.
    """
    data, held_out = Dataset(train), Dataset(validation)
    _check_names(train_model, parameters)
    # KFP hands every number over as a float; the annotations say which are integers.
    checked = validate_call(config=ConfigDict(arbitrary_types_allowed=True))(train_model)
    try:
        model, curves = checked(data, held_out, **parameters)
    except ValidationError as error:
        problems = "; ".join(f"{_key(item['loc'])}: {item['msg']}" for item in error.errors())
        raise UserError(f"train_model in steps/train.py: {problems}") from None
    slow_road = export_model(model, held_out, Path(directory))
    training = Training(
        dict(sorted(parameters.items())),  # KFP hands them over in any order
        {name: [float(value) for value in values] for name, values in curves.items()},
        {
            "source": data.schema.source,
            "hash": data.schema.content_hash,
            "rows": str(data.schema.rows),
        },
        platform.python_version(),
        slow_road,
        library(model),
    )
    training.write(directory)
    return training


def _nulls(value: Any) -> Any:
    """JSON has neither NaN nor infinity: a curve that went there has nulls."""
    if isinstance(value, dict):
        return {key: _nulls(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_nulls(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _check_names(function: Any, parameters: dict[str, Any]) -> None:
    known = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    for name in parameters:
        if name not in known:
            raise UserError(
                f"train.{name} in config/: train_model in steps/train.py has no such argument; "
                f"it has {', '.join(known)}"
            )


def _key(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc)
