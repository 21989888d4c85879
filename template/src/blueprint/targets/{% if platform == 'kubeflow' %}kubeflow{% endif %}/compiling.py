"""`make compile`: each pipeline to a file that Kubeflow Pipelines takes, and a summary of it."""

import sys
from pathlib import Path
from typing import Any

from ... import pipelines
from ...errors import UserError
from ...settings import Settings
from .. import graph, images
from ..facts import fingerprint


def compile_all(settings: Settings, folder: Path = Path("build")) -> list[Path]:
    """Write every pipeline of the project to `folder`, for the image that was pushed or built."""
    image = pipeline_image(settings)
    paths = {entry: folder / f"{entry.replace('-', '_')}.yaml" for entry in pipelines.names()}
    for entry, path in paths.items():
        compile_pipeline(settings, path, image, entry)
    return list(paths.values())


def pipeline_image(settings: Settings) -> str:
    """The image that a compiled pipeline names: the configured one, or what was pushed or built,
    or else what `make images` would build."""
    if settings.pipeline.image:
        return str(settings.pipeline.image)
    if image := images.recorded().get("pipeline"):
        if image.code != fingerprint():
            old = f"{image.reference} is of other code than the project's: `make images` again"
            print(f"warning: {old}", file=sys.stderr)
        return image.pushed or image.reference
    try:
        version = images.tag()
    except UserError:  # there is no commit
        version = "unbuilt"
    return f"{settings.images.name('pipeline')}:{version}"


def compile_pipeline(settings: Settings, path: Path, image: str, entry: str = "training") -> None:
    """Write a pipeline, its steps to run in `image`, what the configuration has as its defaults.

    A source that can change is read in every run.
    """
    from kfp import compiler

    path.parent.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(
        graph.configure(settings, image, entry, reread=True).pipeline,
        str(path),
        pipeline_parameters=graph.parameters(settings, entry),
    )


def summary(spec: dict[str, Any]) -> dict[str, Any]:
    """What a pipeline does, in a page: its parameters, and of each task what it needs.

    `spec` is a compiled pipeline as data, without what a new KFP or the configuration changes.
    """

    def tasks(dag: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, task in sorted(dag["tasks"].items()):
            component = spec["components"][task["componentRef"]["name"]]
            inputs = task.get("inputs", {})
            needs = {
                **{key: _source(each) for key, each in inputs.get("parameters", {}).items()},
                **{key: _source(each) for key, each in inputs.get("artifacts", {}).items()},
            }
            found[name] = {"cached": bool(task.get("cachingOptions", {}).get("enableCache"))}
            if condition := task.get("triggerPolicy", {}).get("condition"):
                found[name]["if"] = condition
            if "dag" in component:
                found[name] = {**found[name], "tasks": tasks(component["dag"])}
            else:
                found[name] |= {key: needs[key] for key in sorted(needs)}
        return found

    parameters = spec["root"]["inputDefinitions"]["parameters"]
    return {
        "parameters": {name: each["parameterType"] for name, each in sorted(parameters.items())},
        "tasks": tasks(spec["root"]["dag"]),
    }


def _source(value: dict[str, Any]) -> str:
    """Where an input comes from: a parameter, a step's output, or a constant."""
    if "componentInputParameter" in value:
        return str(value["componentInputParameter"])
    if "componentInputArtifact" in value:
        return str(value["componentInputArtifact"])
    if "taskOutputArtifact" in value:
        output = value["taskOutputArtifact"]
        return f"{output['producerTask']}.{output['outputArtifactKey']}"
    if "taskOutputParameter" in value:
        output = value["taskOutputParameter"]
        return f"{output['producerTask']}.{output['outputParameterKey']}"
    return str(value.get("runtimeValue", {}).get("constant", ""))
