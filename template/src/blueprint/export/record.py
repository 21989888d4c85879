"""How a model was trained: `training.json` beside the exported model."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter

RECORD = "training.json"
# JSON has neither NaN nor infinity: a curve that went there has nulls.
Value = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]


@dataclass(frozen=True)
class Training:
    """What `train_model` was given and what came of it."""

    parameters: dict[str, Any]
    curves: dict[str, list[Value]]
    data: dict[str, str]  # of the training rows: source, hash, rows
    python: str
    fallback_reason: str = ""  # why the model is no ONNX file
    framework: str = ""  # such as "Keras 3.12.0"

    @classmethod
    def read(cls, directory: str | Path) -> "Training":
        """The record in a model's directory."""
        record = json.loads((Path(directory) / RECORD).read_text())
        if "slow_road" in record:  # its name before 0.5
            record["fallback_reason"] = record.pop("slow_road")
        training: Training = TypeAdapter(cls).validate_python(record)
        return training

    def write(self, directory: str | Path) -> None:
        """Write what `read` reads."""
        text = TypeAdapter(Training).dump_json(self, indent=2)
        (Path(directory) / RECORD).write_bytes(text + b"\n")

    def facts(self) -> dict[str, Any]:
        """What a reader of the pipeline's run wants to see of the model."""
        return {**self.parameters, "data_hash": self.data["hash"]}

    def summary(self) -> str:
        """Where the curves ended, in one line: those of validation rows, if there are any."""
        last = {name: values[-1] for name, values in self.curves.items() if values}
        if not last:
            return "no learning curves"
        epochs = max(len(values) for values in self.curves.values())
        shown = [name for name in last if name.startswith("val_")] or list(last)
        return " · ".join([f"{epochs} epochs", *(f"{name} {last[name]:.4f}" for name in shown)])

    def lines(self) -> list[str]:
        """What the terminal shows, a line each."""
        if not self.fallback_reason:
            return [self.summary()]
        return [
            self.summary(),
            f"fallback: {self.fallback_reason}",
            "so it is served by Python, as an MLflow pyfunc: docs/your-own-model.md",
        ]
