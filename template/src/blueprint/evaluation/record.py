"""An evaluation: the verdict and what was measured for it, as verdict.json holds it."""

import math
import re
from pathlib import Path
from textwrap import wrap

from pydantic import BaseModel, Field

from ..gate import Champion, Number, Slice, Verdict, number

WIDTH = 54  # of a terminal's 80 columns, beside the step's name and its time


class Confusion(BaseModel):
    """Rows of the test set by their true class (row) and the predicted one (column)."""

    classes: list[str]
    counts: list[list[int]]


class Evaluation(Verdict):
    """What evaluate_model found.

    A metric that cannot be computed is NaN, in JSON null. An interval's lower bound is exceeded
    with `confidence`, and its upper one not reached with the same. `baseline` holds the metrics of
    a constant answer. `facts` are the data's source and hashes, the commit and the pipeline run.
    """

    metrics: dict[str, Number]
    confidence: float = 0.95
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    baseline: dict[str, Number] = Field(default_factory=dict)
    champion: Champion | None = None
    slices: list[Slice] = Field(default_factory=list)
    latency_ms: Number = math.nan
    size_mb: Number = math.nan
    confusion: Confusion | None = None  # of a classification of few classes, since 0.5.0
    evaluated: str = ""  # the time, ISO 8601 in UTC; not in verdicts of release 0.4.0
    facts: dict[str, str]

    # What only the step itself needs: its MLflow run, and the ROC curve of two classes.
    run_id: str = Field("", exclude=True)
    roc: tuple[list[float], list[float], list[float]] | None = Field(None, exclude=True)

    @classmethod
    def read(cls, path: str | Path) -> "Evaluation":
        return cls.model_validate_json(Path(path).read_bytes())

    def write(self, path: str | Path) -> None:
        Path(path).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def lines(self) -> list[str]:
        """What a person wants to know, short lines; slices that passed are one line together."""
        metrics = [f"{name} {number(value)}" for name, value in self.metrics.items()]
        slices = [r for r in self.rules if r.passed and r.name.startswith("slice/")]
        rules = [f"{rule.mark} {rule}" for rule in self.rules if rule not in slices]
        rules += [f"✓ {len(slices)} floors of slices"] if slices else []
        failed = sum(not rule.passed for rule in self.rules)
        rejected = f"rejected: {failed} of {len(self.rules)} rules failed"
        return [
            *(" · ".join(metrics[i : i + 3]) for i in range(0, len(metrics), 3)),
            *(line for rule in rules for line in wrap(rule, WIDTH, subsequent_indent="  ")),
            "accepted" if self.accepted else rejected,
        ]

    def numbers(self) -> dict[str, float]:
        """Finite metrics, and the numbers of each rule as `gate/<rule>/<number>`: for MLflow."""
        rules = {
            re.sub(r"[^\w./ -]", "_", f"gate/{rule.name}/{name}"): value
            for rule in self.rules
            for name, value in rule.numbers.items()
        }
        return {k: v for k, v in {**self.metrics, **rules}.items() if math.isfinite(v)}
