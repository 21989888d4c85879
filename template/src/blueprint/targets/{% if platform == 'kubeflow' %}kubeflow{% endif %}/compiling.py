"""`make compile`: each pipeline to a file that Kubeflow Pipelines takes."""

import sys
from collections.abc import Callable
from pathlib import Path

from ... import pipelines
from ...errors import UserError
from ...settings import Settings
from .. import graph, images
from ..facts import fingerprint


def compile_all(
    settings: Settings, folder: Path = Path("build"), *, portable: bool = False
) -> list[Path]:
    """Write every pipeline of the project to `folder`, for the image that was pushed or built.

    With `portable`, what only Kubernetes has is left out: other backends take one document alone.
    """
    if portable:
        settings = settings.model_copy(update={"pipeline": settings.pipeline.portable()})
    image = pipeline_image(settings)
    paths = {entry: path_of(entry, folder) for entry in pipelines.names()}
    for entry, path in paths.items():
        compile_pipeline(settings, path, image, entry)
    return list(paths.values())


def path_of(entry: str, folder: Path = Path("build")) -> Path:
    """Where the compiled pipeline of that entry point is."""
    return folder / f"{entry.replace('-', '_')}.yaml"


def pipeline_image(settings: Settings) -> str:
    """The image that a compiled pipeline names: the configured one, or what was pushed or built,
    or else what `make images` would build."""
    return str(settings.pipeline.image) if settings.pipeline.image else _image(settings, "pipeline")


def _image(settings: Settings, kind: str) -> str:
    if image := images.recorded().get(kind):
        if image.code != fingerprint():
            old = f"{image.reference} is of other code than the project's: `make images` again"
            print(f"warning: {old}", file=sys.stderr)
        return image.pushed or image.reference
    try:
        version = images.tag()
    except UserError:  # there is no commit
        version = "unbuilt"
    return f"{settings.images.name(kind)}:{version}"


def compile_pipeline(
    settings: Settings, path: Path, image: str, entry: str = "training", *, pushed: bool = False
) -> None:
    """Write a pipeline, its steps to run in `image`, what the configuration has as its defaults.

    A source that can change is read in every run. With `pushed`, a step's own image must be.
    """
    from kfp import compiler

    path.parent.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(
        graph.configure(settings, _by_step(settings, image, pushed), entry, reread=True).pipeline,
        str(path),
        pipeline_parameters=graph.parameters(settings, entry),
    )


def _by_step(settings: Settings, image: str, pushed: bool) -> Callable[[str], str]:
    """The image of a step by its source: `image`, or the one of its own; where the pipeline's is
    configured, only one that was built."""
    built = images.recorded()
    there = {*built, *([] if settings.pipeline.image else images.kinds_here())}

    def of(source: str) -> str:
        kind = images.own(source, there)
        if kind is None:
            return image
        if pushed and not (kind in built and built[kind].pushed):
            text = f"a step runs in the image {kind}, which no registry has"
            raise UserError(f"{text}: `make images`, then `make push`")
        return _image(settings, kind)

    return of
