"""What the pod of a step is given on a cluster: the section `pipeline`, where there are pods.

The only use of kfp-kubernetes: the pipelines themselves know no cluster.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ...settings import Section, Text, matching
from .. import settings

Cores = Annotated[str, matching(r"\d+(\.\d+)?|\d+m", "a number of cores, such as 2 or 500m")]
Size = Annotated[str, matching(r"\d+(Ki|Mi|Gi|Ti|K|M|G|T)", "a size, such as 4Gi")]
Name = Annotated[str, matching(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", "a name in Kubernetes")]
Variable = Annotated[str, matching(r"[A-Za-z_][A-Za-z0-9_]*", "the name of a variable")]


class Toleration(Section):
    """A taint of nodes that a step's pod may run on all the same, in Kubernetes' words."""

    key: str | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None

    @model_validator(mode="after")
    def check_operator(self) -> "Toleration":
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("operator: Exists takes no value")
        if self.operator == "Equal" and self.key is None:
            raise ValueError("operator: Equal needs a key")
        return self


class Step(settings.Step):
    """The options of a step's pod; see docs/configuration.md.

    `cpu` is requested, `memory` is requested and is the limit. `secrets` names Kubernetes Secrets:
    {name: {key in it: variable of the step}}. Unset is the cluster's own default.
    """

    cpu: Cores | None = None
    memory: Size | None = None
    gpu: Annotated[int, Field(ge=1)] | None = None
    gpu_resource: str = "nvidia.com/gpu"
    shared_memory: Size | None = None
    node_selector: dict[str, Text] = Field(default={})
    tolerations: list[Toleration] = Field(default=[])
    variables: dict[Variable, Text] = Field(default={})
    secrets: dict[Name, dict[str, Variable]] = Field(default={})
    image_pull_secrets: list[Name] = Field(default=[])
    retries: Annotated[int, Field(ge=0)] | None = None
    timeout_seconds: Annotated[int, Field(gt=0)] | None = None


class Pipeline(settings.Pipeline):
    """The image that runs the steps in containers, and what their pods are given.

    `image` unset is the one that `make images` built, or `make push` pushed last. `every` is for
    every step, `steps` adds to it for one, by the name that the run shows. The pods of a finished
    run are kept for `ttl_seconds`.
    """

    every: Step = Step()
    steps: Mapping[str, Step] = {}
    ttl_seconds: Annotated[int, Field(ge=0)] | None = None

    def limits(self) -> dict[str, Any]:
        return {"ttl_seconds_after_finished": self.ttl_seconds}

    def apply(self, task: Any, name: str) -> None:
        from kfp import kubernetes

        super().apply(task, name)
        step = self.step(name)
        assert isinstance(step, Step)
        if step.cpu:
            task.set_cpu_request(step.cpu)
        if step.memory:
            task.set_memory_request(step.memory).set_memory_limit(step.memory)
        if step.gpu:
            task.set_accelerator_type(step.gpu_resource).set_accelerator_limit(step.gpu)
        if step.retries is not None:
            task.set_retry(num_retries=step.retries)
        for variable, value in step.variables.items():
            task.set_env_variable(variable, value)
        for label, value in step.node_selector.items():
            kubernetes.add_node_selector(task, label, value)
        for toleration in step.tolerations:
            kubernetes.add_toleration(task, **toleration.model_dump())
        for secret, keys in step.secrets.items():
            kubernetes.use_secret_as_env(task, secret, keys)
        if step.image_pull_secrets:
            kubernetes.set_image_pull_secrets(task, step.image_pull_secrets)
        if step.shared_memory:
            size = step.shared_memory
            kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", "Memory", size)
        if step.timeout_seconds:
            kubernetes.set_timeout(task, step.timeout_seconds)
