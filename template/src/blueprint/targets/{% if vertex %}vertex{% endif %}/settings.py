"""The section `vertex`: the Google Cloud project, and how runs go there; and options of steps."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from ...settings import Section, Text, matching
from .. import settings

Project = Annotated[str, matching(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", "the id of a project")]
Location = Annotated[str, matching(r"[a-z]+-[a-z]+\d+", "a region, such as europe-west4")]
Root = Annotated[str, matching(r"gs://[a-z0-9][\w.-]+(/.*)?", "gs://bucket/folder")]
Account = Annotated[
    str, matching(r"[^@\s]+@[\w.-]+\.gserviceaccount\.com", "the e-mail of a service account")
]
Network = Annotated[
    str,
    matching(
        r"projects/\d+/global/networks/[\w-]+",
        "projects/NUMBER/global/networks/NAME, by the project's number",
    ),
]
Key = Annotated[
    str,
    matching(
        r"projects/[\w-]+/locations/[\w-]+/keyRings/[\w-]+/cryptoKeys/[\w-]+",
        "projects/…/locations/…/keyRings/…/cryptoKeys/…",
    ),
]
LabelKey = Annotated[str, matching(r"[a-z][a-z0-9_-]{0,62}", "small letters, digits, - and _")]
LabelValue = Annotated[str, matching(r"[a-z0-9_-]{0,63}", "small letters, digits, - and _")]
Cores = Annotated[str, matching(r"\d+(\.\d+)?", "a number of cores, such as 4")]
Size = Annotated[str, matching(r"\d+(Ki|Mi|Gi|Ti|K|M|G|T)", "a size, such as 16Gi")]
Variable = Annotated[str, matching(r"[A-Za-z_][A-Za-z0-9_]*", "the name of a variable")]


def _zone(name: str) -> str:
    try:
        return name if name == "UTC" else str(ZoneInfo(name))
    except (KeyError, ValueError, OSError):
        raise ValueError("expected a time zone by its place, such as Europe/Berlin") from None


class Vertex(Section):
    """A project of Google Cloud in which Vertex AI runs the pipelines. See docs/vertex.md.

    Steps run as `service_account`, write to `pipeline_root`, and reach what `network` reaches.
    `experiment` groups the runs, as a label. With `failure_policy: fast`, the first step that fails
    ends a run. `schedule` counts in `time_zone`. `api_endpoint` stands in for the region's own.
    """

    project: Project
    location: Location
    pipeline_root: Root
    service_account: Account | None = None
    network: Network | None = None
    encryption_key: Key | None = None
    labels: dict[LabelKey, LabelValue] = Field(default={})
    experiment: LabelValue | None = None
    failure_policy: Literal["slow", "fast"] = "slow"
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    poll_seconds: Annotated[float, Field(gt=0)] = 10
    timeout_seconds: Annotated[float, Field(gt=0)] = 60
    api_endpoint: Annotated[str, Field(pattern="^https?://")] | None = None

    @property
    def parent(self) -> str:
        """The place of everything that the API has for this configuration."""
        return f"projects/{self.project}/locations/{self.location}"


class Accelerator(Section):
    """GPUs of a step's machine: `type` as Vertex AI calls it, such as NVIDIA_TESLA_T4."""

    type: Annotated[str, matching(r"[A-Z][A-Z0-9_]+", "a type such as NVIDIA_TESLA_T4")]
    count: Literal[1, 2, 4, 8, 16] = 1


class Step(settings.Step):
    """The options of a step's machine; see docs/vertex.md.

    Vertex AI takes the smallest machine that has `cpu`, `memory` and `accelerator`; without them
    it is an e2-standard-4. `variables` are those of the step's environment.
    """

    cpu: Cores | None = None
    memory: Size | None = None
    accelerator: Accelerator | None = None
    variables: dict[Variable, Text] = Field(default={})
    retries: Annotated[int, Field(ge=0)] | None = None


class Pipeline(settings.Pipeline):
    """The image that runs the steps in containers, and what their machines are.

    `image` unset is the one that `make images` built, or `make push` pushed last. `every` is for
    every step, `steps` adds to it for one, by the name that the run shows.
    """

    every: Step = Step()
    steps: Mapping[str, Step] = {}

    def apply(self, task: Any, name: str) -> None:
        super().apply(task, name)
        step = self.step(name)
        assert isinstance(step, Step)
        if step.cpu:
            task.set_cpu_limit(step.cpu)
        if step.memory:
            task.set_memory_limit(step.memory)
        if step.accelerator:
            task.set_accelerator_type(step.accelerator.type)
            task.set_accelerator_limit(step.accelerator.count)
        if step.retries is not None:
            task.set_retry(num_retries=step.retries)
        for variable, value in step.variables.items():
            task.set_env_variable(variable, value)


SECTIONS = {"vertex": (Vertex | None, None), "pipeline": (Pipeline, Pipeline())}
LOGINS = {
    "vertex": "`gcloud auth application-default login` keeps it",
    "pipeline": "a step reads Secret Manager as its service account",
}
