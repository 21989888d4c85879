"""The pipeline's first three steps as plain calls in this process, for a debugger."""

import pdb
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kfp import dsl

from .. import pipelines
from ..registry import check as registry_check
from ..settings import Settings
from . import preflight
from .compile import parameters
from .local import RUNS, revision


def run(settings: Settings) -> None:
    """Load, train and evaluate without KFP, cache or registration; an error opens pdb there.

    `make report` shows the evaluation, as that of a run.
    """
    preflight.check(settings)
    registry_check.check(**settings.registry.model_dump())
    kept = RUNS / "debug" / "evaluate-model"
    with tempfile.TemporaryDirectory() as directory, stopping():
        call_steps(settings, Path(directory))
        kept.mkdir(parents=True, exist_ok=True)
        for name in ("verdict.json", "report.html"):
            shutil.copyfile(Path(directory) / name, kept / Path(name).stem)


@contextmanager
def stopping() -> Iterator[None]:
    """On a terminal, an error inside is printed, and pdb stops where it was raised."""
    try:
        yield
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
        if not sys.stdin.isatty():
            raise
        pdb.post_mortem(error.__traceback__)


def call_steps(settings: Settings, directory: Path) -> bool:
    """Call the functions behind the components one after another; returns the verdict."""
    values = parameters(settings)
    steps = pipelines.module("components")

    def artifact(kind: type[dsl.Artifact], name: str) -> dsl.Artifact:
        return kind(name=name, uri=str(directory / name))

    names = ("train_data", "validation_data", "test_data")
    data = {name: artifact(dsl.Dataset, name) for name in names}
    sections = {key: values[key] for key in ("data", "registry")}
    steps.load_data.python_func(**sections, snapshot="", **data)
    model = artifact(dsl.Model, "model")
    fitting = {name: data[name] for name in ("train_data", "validation_data")}
    given = {"train": values["train"], "slices": values["slices"]}
    steps.train_model.python_func(model=model, **given, **fitting)
    accepted: bool = steps.evaluate_model.python_func(
        model=model,
        test_data=data["test_data"],
        train_data=data["train_data"],
        gate=values["gate"],
        registry=values["registry"],
        run="debug",
        revision=revision(),
        verdict=artifact(dsl.Artifact, "verdict.json"),
        metrics=artifact(dsl.Metrics, "metrics"),
        classes=artifact(dsl.ClassificationMetrics, "classes"),
        report=artifact(dsl.HTML, "report.html"),
    )
    return accepted
