"""The section `deploy`: the endpoint that serves the model, its machines, and a canary's limits."""

import os
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ..settings import ENVIRONMENT, Section, matching
from ..targets.images import recorded

Name = Annotated[
    str,
    matching(
        r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?|[1-9]\d*",
        "small letters, digits and -, at most 63, or the number that Vertex AI gave",
    ),
]
Account = Annotated[
    str, matching(r"[^@\s]+@[\w.-]+\.gserviceaccount\.com", "the e-mail of a service account")
]
Folder = Annotated[str, matching(r"gs://[a-z0-9][\w.-]+(/.*)?", "gs://bucket/folder")]
Table = Annotated[str, matching(r"[\w-]+\.\w+\.\w+", "a table of BigQuery, project.dataset.table")]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(gt=0)]


class Accelerator(Section):
    """GPUs of each replica: `type` as Vertex AI calls it, such as NVIDIA_TESLA_T4."""

    type: Annotated[str, matching(r"[A-Z][A-Z0-9_]+", "a type such as NVIDIA_TESLA_T4")]
    count: Literal[1, 2, 4, 8, 16] = 1


class RequestLog(Section):
    """Requests and answers in a table of BigQuery, `sampling` of them."""

    table: Table
    sampling: Annotated[float, Field(gt=0, le=1)] = 1.0


class Canary(Section):
    """How a new version gets its share of requests, and what takes it away again.

    At each of `steps`, percents, it is given `seconds`, and `min_requests` must have been answered.
    It may fail `error_rate` of them, take `latency` times as long as the stable version at the 99th
    percentile, and predict otherwise by at most `distribution`, where that is counted: Cloud
    Monitoring, whose numbers are up to two minutes old, does not.
    """

    steps: Annotated[list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=1)] = [10, 50, 100]
    seconds: Seconds = 300
    min_requests: Annotated[int, Field(ge=1)] = 100
    error_rate: Share = 0.01
    latency: Annotated[float, Field(ge=1)] = 1.5
    distribution: Share = 0.2


class Deploy(Section):
    """An endpoint that serves the model. See docs/endpoint.md.

    `endpoint` is its id and its name, by default the model's. `dedicated` has an address of its
    own; with `private_service_connect`, the projects that may connect, it has none that is public.
    `image` is the serving image, by default the one that `make push` pushed last; in it the server
    reads the configuration `environment`, by default the one that deploys. Versions whose files the
    registry does not have in a bucket are copied to `models`, by default below
    `vertex.pipeline_root`. A version that is not up after `timeout_seconds` is taken back; one that
    gets no more requests has `quiet_seconds` to answer those it has.
    """

    endpoint: Name | None = None
    machine_type: str = "n1-standard-2"
    min_replicas: Annotated[int, Field(ge=1)] = 1
    max_replicas: Annotated[int, Field(ge=1)] = 1
    accelerator: Accelerator | None = None
    service_account: Account | None = None
    dedicated: bool = True
    private_service_connect: Annotated[list[str], Field(min_length=1)] | None = None
    request_log: RequestLog | None = None
    models: Folder | None = None
    image: str | None = None
    environment: str | None = None
    timeout_seconds: Seconds = 1800
    quiet_seconds: Annotated[float, Field(ge=0)] = 20
    canary: Canary = Canary()

    @model_validator(mode="after")
    def fit(self) -> "Deploy":
        if self.min_replicas > self.max_replicas:
            raise ValueError("min_replicas is more than max_replicas")
        return self

    def resolved(self, settings: Any) -> "Deploy":
        """With the endpoint's name, the folder of models, and the image that was pushed last."""
        image = recorded().get("serving")
        root = settings.vertex.pipeline_root.rstrip("/") if settings.vertex else ""
        return self.model_copy(
            update={
                "endpoint": self.endpoint or settings.registry.name,
                "models": self.models or (f"{root}/models" if root else None),
                "image": self.image or (image.pushed if image else "") or None,
                "environment": self.environment or selected(),
            }
        )


def selected() -> str:
    """The name of the configuration that the environment selects."""
    return os.environ.get(ENVIRONMENT) or "local"


SECTIONS = {"deploy": (Deploy | None, None)}
LOGINS = {"deploy": "`gcloud auth application-default login` keeps it"}
