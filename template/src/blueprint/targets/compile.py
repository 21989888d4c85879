"""Compile each pipeline to one YAML file, the same for every target but for its image."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler

from .. import pipelines
from ..settings import Settings
from .pods import with_options


def parameters(settings: Settings) -> dict[str, Any]:
    """The pipeline's arguments: sections of the configuration as JSON values."""
    sections = settings.model_dump(
        mode="json", include={"data", "train", "gate", "registry"}, exclude_none=True
    )
    slices = settings.gate.slices.columns
    return {**sections, "slices": slices, "store": str(settings.serving.store or "")}


def batch_parameters(settings: Settings) -> dict[str, Any]:
    """The arguments of batch prediction that the configuration gives; a run gives the rest."""
    from ..batch.settings import scoring

    registry = settings.registry.model_dump(mode="json", exclude_none=True)
    return {
        "batch": scoring(settings).model_dump(mode="json", exclude_none=True),
        "registry": registry,
    }


def compile_pipeline(
    settings: Settings, path: Path, image: str | Callable[[str], str], *, reread: bool = True
) -> None:
    """Write the training pipeline, its steps to run in `image`, with `parameters` as defaults.

    `image` may be a function of a step's source. With `reread`, a source that can change is read in
    every run; without it, `snapshot` tells two readings apart.
    """
    caches = {"load_data": not reread or settings.data.fixed}
    pipeline = with_options(pipelines.load("training"), settings.pipeline, caches)
    _compile(pipeline, settings.registry.name, parameters(settings), path, image)


def compile_batch(settings: Settings, path: Path, image: str) -> None:
    """Write the pipeline of batch prediction, in the same way."""
    name = f"{settings.registry.name}-batch-prediction"
    pipeline = with_options(pipelines.load("batch-prediction"), settings.pipeline)
    _compile(pipeline, name, batch_parameters(settings), path, image)


def _compile(
    pipeline: Any,
    name: str,
    defaults: dict[str, Any],
    path: Path,
    image: str | Callable[[str], str],
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(
        pipeline, str(path), pipeline_name=name, pipeline_parameters=defaults
    )
    spec, *platform = yaml.safe_load_all(path.read_text())
    for executor in spec["deploymentSpec"]["executors"].values():
        container = executor["container"]
        container["image"] = image if isinstance(image, str) else image(container["command"][-1])
    path.write_text(yaml.safe_dump_all([spec, *platform], sort_keys=False))
