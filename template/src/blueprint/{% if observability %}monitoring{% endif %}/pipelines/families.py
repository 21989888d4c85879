"""What pipelines tell, as Prometheus has it: the same names, pushed and scraped."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from prometheus_client.core import GaugeMetricFamily as Gauge

from ...export.record import Training
from ...registry.client import Version

TEXTS = {
    "pipeline_last_run_timestamp_seconds": "When a step of it last ended, well or not",
    "pipeline_last_success_timestamp_seconds": "When it last ended well; a rejected model is well",
    "pipeline_schedule_seconds": "How long it should be from one run to the next",
    "pipeline_gate_accepted": "Whether the gate accepted its last model",
    "pipeline_gate_rejections": "How many models in a row the gate rejected, up to now",
    "pipeline_evaluation": "What its last model was evaluated to",
    "pipeline_rows": "Rows of its last run",
    "pipeline_data_info": "The hash of the rows that its last model was trained on",
    "pipeline_step_seconds": "How long the step took in its last run",
}


@dataclass(frozen=True)
class Verdict:
    """What became of a model. `rejections` are those in a row, this one included."""

    accepted: bool
    promoted: bool
    rejections: int
    metrics: Mapping[str, float]
    rows: Mapping[str, int]
    data_sha256: str


@dataclass(frozen=True)
class Run:
    """The last run of a pipeline: Unix times, None for what is not known."""

    ended: float | None
    succeeded: float | None
    schedule_seconds: float | None
    verdict: Verdict | None


def verdict(versions: Sequence[Version], given: Mapping[str, Any], model: Path) -> Verdict:
    """Of verdict.json, the exported model's folder, and the registry's versions, newest first."""
    training, facts = Training.read(model), given["facts"]
    rows = {"train": training.data.get("rows"), "test": facts.get("data.test_rows")}
    # When another became the champion meanwhile, the newest version is rejected all the same.
    promoted = given["accepted"] and bool(versions) and versions[0].accepted
    return Verdict(
        accepted=given["accepted"],
        promoted=promoted,
        rejections=0 if promoted else rejections(versions),
        metrics={k: v for k, v in given["metrics"].items() if v is not None and math.isfinite(v)},
        rows={split: int(n) for split, n in rows.items() if n},
        data_sha256=training.data.get("hash", ""),
    )


def rejections(versions: Sequence[Version]) -> int:
    """How many of the versions, from the newest on, were rejected."""
    return len([*takewhile(lambda version: not version.accepted, versions)])


def of_run(run: Run, **labels: str) -> list[Gauge]:
    """The metrics of a run, each with these labels; a push adds those of its group itself."""
    made: dict[str, Gauge] = {}

    def add(name: str, value: float | None, **own: str) -> None:
        if value is not None:
            every = {**labels, **own}
            gauge = made.setdefault(name, Gauge(name, TEXTS[name], labels=[*every]))
            gauge.add_metric([*every.values()], value)

    add("pipeline_last_run_timestamp_seconds", run.ended)
    add("pipeline_last_success_timestamp_seconds", run.succeeded)
    add("pipeline_schedule_seconds", run.schedule_seconds)
    if run.verdict:
        add("pipeline_gate_accepted", int(run.verdict.accepted))
        add("pipeline_gate_rejections", run.verdict.rejections)
        for metric, value in run.verdict.metrics.items():
            add("pipeline_evaluation", value, metric=metric)
        for split, rows in run.verdict.rows.items():
            add("pipeline_rows", rows, split=split)
        if run.verdict.data_sha256:
            add("pipeline_data_info", 1, sha256=run.verdict.data_sha256)
    return [*made.values()]


def step_seconds(seconds: float) -> Gauge:
    """The time of one step, whose labels are those of its push."""
    name = "pipeline_step_seconds"
    return Gauge(name, TEXTS[name], value=seconds)


def steps_seconds(steps: Mapping[str, float], pipeline: str) -> Gauge:
    """The times of the steps of a run."""
    name = "pipeline_step_seconds"
    gauge = Gauge(name, TEXTS[name], labels=["pipeline", "step"])
    for step, seconds in steps.items():
        gauge.add_metric([pipeline, step], seconds)
    return gauge
