"""Compile the training pipeline to one YAML file, the same for every target but for its image."""

from pathlib import Path
from typing import Any

import yaml
from kfp import compiler

from ..pipelines.training import training_pipeline
from ..settings import Settings


def parameters(settings: Settings) -> dict[str, Any]:
    """The pipeline's arguments: sections of the configuration as JSON values."""
    sections = settings.model_dump(
        mode="json", include={"data", "train", "gate", "registry"}, exclude_none=True
    )
    return {**sections, "store": str(settings.serving.store)}


def compile_pipeline(settings: Settings, path: Path, image: str) -> None:
    """Write the compiled pipeline, its steps to run in `image`, with `parameters` as defaults."""
    path.parent.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(
        training_pipeline,
        str(path),
        pipeline_name=settings.registry.name,
        pipeline_parameters=parameters(settings),
    )
    spec = yaml.safe_load(path.read_text())
    for executor in spec["deploymentSpec"]["executors"].values():
        executor["container"]["image"] = image
    path.write_text(yaml.safe_dump(spec, sort_keys=False))
