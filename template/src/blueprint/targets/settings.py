"""The sections `pipeline`, `parameters` and `images`."""

from collections.abc import Mapping
from typing import Any

from ..settings import Section, merge
from .arguments import train


class Step(Section):
    """What the configuration says of one step; on a cluster, its pod's options too.

    `cache` unset leaves it to the pipeline and to the source of the data.
    """

    cache: bool | None = None


class Pipeline(Section):
    """The image that runs the steps in containers, and options of steps.

    `image` unset is the one that `make images` built, or `make push` pushed last. `every` is for
    every step, `steps` adds to it for one, by the name that the run shows.
    """

    image: str | None = None
    every: Step = Step()
    steps: Mapping[str, Step] = {}

    def step(self, name: str) -> Step:
        """The options of a step: `every`, and its own on top."""
        every = self.every.model_dump(exclude_unset=True)
        own = self.steps[name].model_dump(exclude_unset=True) if name in self.steps else {}
        return type(self.every).model_validate(merge(every, own))

    def apply(self, task: Any, name: str) -> None:
        """Give a task of a pipeline what its step's options say."""
        if (cache := self.step(name).cache) is not None:
            task.set_caching_options(cache)

    def limits(self) -> dict[str, Any]:
        """What KFP's `PipelineConfig` is given for the whole pipeline."""
        return {}


class Images(Section):
    """What the project's images are called, before `-pipeline` and `-serving`, and the registry
    that `make push` pushes them to."""

    prefix: str
    registry: str | None = None

    def name(self, kind: str) -> str:
        """The repository of an image, without its registry."""
        return f"{self.prefix}-{kind}"


SECTIONS = {
    "pipeline": (Pipeline, Pipeline()),
    "parameters": (dict[str, Any], {}),  # values of the pipeline's parameters that are no section
    "images": (Images, ...),
    "train": train,
}
LOGINS = {"images": "`docker login` keeps it"}
