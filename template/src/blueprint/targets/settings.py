"""The sections `pipeline` and `images`: what steps run in, and what their pods are given."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..settings import Section, Text, matching, merge
from .arguments import train

StepName = Literal[
    "load_data", "train_model", "evaluate_model", "register_model", "deploy_model", "score_rows"
]


Cores = Annotated[str, matching(r"\d+(\.\d+)?|\d+m", "a number of cores, such as 2 or 500m")]


Size = Annotated[str, matching(r"\d+(Ki|Mi|Gi|Ti|K|M|G|T)", "a size, such as 4Gi")]


# As Kubernetes has them.
Name = Annotated[str, matching(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", "a name in Kubernetes")]


Variable = Annotated[str, matching(r"[A-Za-z_][A-Za-z0-9_]*", "the name of a variable")]


class Toleration(Section):
    """A taint of nodes that a step's pod may run on all the same, in Kubernetes' words."""

    key: str | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None

    @model_validator(mode="after")
    def be_whole(self) -> "Toleration":
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("operator: Exists takes no value")
        if self.operator == "Equal" and self.key is None:
            raise ValueError("operator: Equal needs a key")
        return self


class Step(Section):
    """What the pod of a step is given on a cluster; a laptop does without. See
    docs/configuration.md.

    `cpu` is asked for, `memory` is asked for and is the limit. `secrets` names Kubernetes Secrets:
    {name: {key in it: variable of the step}}. Unset is the cluster's own default.
    """

    cpu: Cores | None = None
    memory: Size | None = None
    gpu: Annotated[int, Field(ge=1)] | None = None
    gpu_resource: str = "nvidia.com/gpu"
    shared_memory: Size | None = None
    node_selector: dict[str, Text] = {}
    tolerations: list[Toleration] = []
    variables: dict[Variable, Text] = {}
    secrets: dict[Name, dict[str, Variable]] = {}
    image_pull_secrets: list[Name] = []
    retries: Annotated[int, Field(ge=0)] | None = None
    timeout_seconds: Annotated[int, Field(gt=0)] | None = None
    cache: bool | None = None


class Pipeline(Section):
    """The image that runs every step where steps run in containers, and what their pods are given.

    `image` unset is the one that `make images` built or `make push` pushed last. `every` is for
    every step, `steps` adds to it for one. A finished run's pods are kept `ttl_seconds`.
    """

    image: str | None = None
    every: Step = Step()
    steps: dict[StepName, Step] = {}
    ttl_seconds: Annotated[int, Field(ge=0)] | None = None

    def step(self, name: str) -> Step:
        """What the step is given: `every`, and its own on top."""
        layers = [self.every, self.steps.get(name, Step())]  # type: ignore[call-overload]
        given = [layer.model_dump(exclude_unset=True) for layer in layers]
        return Step.model_validate(merge(*given))


class Images(Section):
    """What the project's two images are called, before `-pipeline` and `-serving`, and where
    `make push` takes them."""

    prefix: str
    registry: str | None = None

    def name(self, kind: str) -> str:
        """The repository of an image, without its registry."""
        return f"{self.prefix}-{kind}"


SECTIONS = {"pipeline": (Pipeline, Pipeline()), "images": (Images, ...), "train": train}
LOGINS = {
    "pipeline": "name a Secret in pipeline.every.secrets",
    "images": "`docker login` keeps it",
}
