"""What the pod of a step is given on a cluster: the section `pipeline`, where there are pods.

The only use of kfp-kubernetes: the pipelines themselves know no cluster.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ...settings import Section, Settings, Text, matching
from .. import settings

Cores = Annotated[str, matching(r"\d+(\.\d+)?|\d+m", "a number of cores, such as 2 or 500m")]
Size = Annotated[str, matching(r"\d+(Ki|Mi|Gi|Ti|K|M|G|T)", "a size, such as 4Gi")]
Name = Annotated[str, matching(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", "a name in Kubernetes")]
Variable = Annotated[str, matching(r"[A-Za-z_][A-Za-z0-9_]*", "the name of a variable")]
Folder = Annotated[str, matching(r"/[^\s:]+", "an absolute path, such as /data")]
# What becomes a field of the pipeline itself, which every target reads; the rest is Kubernetes'.
EVERYWHERE = {"cache", "cpu", "cpu_limit", "memory", "gpu", "gpu_resource", "retries", "variables"}


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


class Volumes(Section):
    """What is mounted into a step's pod: {name in Kubernetes: folder in the pod}.

    `claims` are PersistentVolumeClaims; files of `config_maps` and `secrets` are named by the keys.
    """

    claims: dict[Name, Folder] = Field(default={})
    config_maps: dict[Name, Folder] = Field(default={})
    secrets: dict[Name, Folder] = Field(default={})


class Workspace(Section):
    """A volume that the steps of a run share, made with the run and deleted with it. A step is
    given its folder by `dsl.WORKSPACE_PATH_PLACEHOLDER`. Unset is the cluster's own default."""

    size: Size
    storage_class: str | None = None
    access_modes: list[Literal["ReadWriteOnce", "ReadWriteMany"]] | None = None

    def config(self) -> Any:
        from kfp import dsl

        given = {"storageClassName": self.storage_class, "accessModes": self.access_modes}
        patch = {key: value for key, value in given.items() if value is not None}
        return dsl.WorkspaceConfig(self.size, dsl.KubernetesWorkspaceConfig(patch))


class Step(settings.Step):
    """The options of a step's pod; see docs/configuration.md.

    `cpu` is requested, `memory` is requested and is the limit. `secrets` and `config_maps` name
    those of Kubernetes: {name: {key in it: variable of the step}}; `volumes` mounts them. `labels`
    and `annotations` are the pod's. `pause` has it wait before it begins: `make debug STEP=…` sets
    it. Unset is the cluster's own default.
    """

    cpu: Cores | None = None
    cpu_limit: Cores | None = None
    memory: Size | None = None
    gpu: Annotated[int, Field(ge=1)] | None = None
    gpu_resource: str = "nvidia.com/gpu"
    shared_memory: Size | None = None
    node_selector: dict[str, Text] = Field(default={})
    tolerations: list[Toleration] = Field(default=[])
    variables: dict[Variable, Text] = Field(default={})
    secrets: dict[Name, dict[str, Variable]] = Field(default={})
    config_maps: dict[Name, dict[str, Variable]] = Field(default={})
    volumes: Volumes = Volumes()
    labels: dict[str, Text] = Field(default={})
    annotations: dict[str, Text] = Field(default={})
    run_as_non_root: bool | None = None
    image_pull_secrets: list[Name] = Field(default=[])
    retries: Annotated[int, Field(ge=0)] | None = None
    timeout_seconds: Annotated[int, Field(gt=0)] | None = None
    pause: bool = False


class Pipeline(settings.Pipeline):
    """The image that runs the steps in containers, and what their pods are given.

    `image` unset is the one that `make images` built, or `make push` pushed last. `every` is for
    every step, `steps` adds to it for one, by the name that the run shows. A run ends after
    `timeout_seconds`; the pods of a finished one are kept for `ttl_seconds`.
    """

    every: Step = Step()
    steps: Mapping[str, Step] = {}
    workspace: Workspace | None = None
    timeout_seconds: Annotated[int, Field(gt=0)] | None = None
    ttl_seconds: Annotated[int, Field(ge=0)] | None = None

    def limits(self) -> dict[str, Any]:
        return {
            "workspace": self.workspace and self.workspace.config(),
            "active_deadline_seconds": self.timeout_seconds,
            "ttl_seconds_after_finished": self.ttl_seconds,
        }

    def portable(self) -> "Pipeline":
        """Without what only Kubernetes has: compiled with it, the file is one document."""

        def kept(step: Step) -> Step:
            return Step.model_validate(step.model_dump(include=EVERYWHERE, exclude_unset=True))

        steps = {name: kept(step) for name, step in self.steps.items()}
        return Pipeline(image=self.image, every=kept(self.every), steps=steps)

    def paused(self, name: str) -> "Pipeline":
        """With one step that waits before it begins."""
        step = self.step(name).model_copy(update={"pause": True})
        return self.model_copy(update={"steps": {**self.steps, name: step}})

    def apply(self, task: Any, name: str) -> None:
        super().apply(task, name)
        step = self.step(name)
        assert isinstance(step, Step)
        if step.cpu:
            task.set_cpu_request(step.cpu)
        if step.cpu_limit:
            task.set_cpu_limit(step.cpu_limit)
        if step.memory:
            task.set_memory_request(step.memory).set_memory_limit(step.memory)
        if step.gpu:
            task.set_accelerator_type(step.gpu_resource).set_accelerator_limit(step.gpu)
        if step.retries is not None:
            task.set_retry(num_retries=step.retries)
        for variable, value in step.variables.items():
            task.set_env_variable(variable, value)
        if step.pause:
            task.set_debug_pause(before=True, after=False)
            task.set_caching_options(False)  # the cache's answer has no pod to look into
        _apply_kubernetes(task, step)


def portable(settings: Settings) -> Settings:
    """Without what only Kubernetes has: other backends take one document alone."""
    return settings.model_copy(update={"pipeline": settings.pipeline.portable()})


def _apply_kubernetes(task: Any, step: Step) -> None:
    """Write the second document of the compiled file, where an option asks for one."""
    from kfp import kubernetes

    for label, value in step.node_selector.items():
        kubernetes.add_node_selector(task, label, value)
    for toleration in step.tolerations:
        kubernetes.add_toleration(task, **toleration.model_dump())
    for label, value in step.labels.items():
        kubernetes.add_pod_label(task, label, value)
    for key, value in step.annotations.items():
        kubernetes.add_pod_annotation(task, key, value)
    for secret, keys in step.secrets.items():
        kubernetes.use_secret_as_env(task, secret, keys)
    for config_map, keys in step.config_maps.items():
        kubernetes.use_config_map_as_env(task, config_map, keys)
    for claim, folder in step.volumes.claims.items():
        kubernetes.mount_pvc(task, claim, folder)
    for config_map, folder in step.volumes.config_maps.items():
        kubernetes.use_config_map_as_volume(task, config_map, folder)
    for secret, folder in step.volumes.secrets.items():
        kubernetes.use_secret_as_volume(task, secret, folder)
    if step.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, step.image_pull_secrets)
    if step.run_as_non_root is not None:
        kubernetes.set_security_context(task, run_as_non_root=step.run_as_non_root)
    if step.shared_memory:
        size = step.shared_memory
        kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", "Memory", size)
    if step.timeout_seconds:
        kubernetes.set_timeout(task, step.timeout_seconds)
