"""The section `deploy`: the cluster and namespace that serve the model, and a canary's limits."""

import os
from typing import Annotated, Any

from pydantic import Field

from ..settings import ENVIRONMENT, Section, matching

Name = Annotated[str, matching("[a-z]([-a-z0-9]{0,61}[a-z0-9])?", "a name as Kubernetes takes it")]
Account = Annotated[
    str, matching("system:serviceaccount(:[-.a-z0-9]+){2}", "system:serviceaccount:NAMESPACE:NAME")
]
Share = Annotated[float, Field(ge=0, le=1)]


class Gateway(Section):
    """The Gateway that requests come by, and the host names under which it knows the model."""

    name: Name
    namespace: Name
    hostnames: Annotated[list[str], Field(min_length=1)]


class Canary(Section):
    """How a new version gets its share of requests, and what takes it away again.

    At each of `steps`, percents, it is given `seconds`, and `min_requests` must have been answered.
    It may fail `error_rate` of them, take `latency` times as long as the stable version at the 99th
    percentile, and predict otherwise by at most `distribution` (total variation distance).
    """

    steps: Annotated[list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=1)] = [10, 50, 100]
    seconds: Annotated[float, Field(gt=0)] = 60
    min_requests: Annotated[int, Field(ge=1)] = 100
    error_rate: Share = 0.01
    latency: Annotated[float, Field(ge=1)] = 1.5
    distribution: Share = 0.2


class Deploy(Section):
    """A cluster that serves the model. See docs/deploy.md.

    `context` is that of the kubeconfig; another current one is rejected. `name` is that of the
    objects in deploy/, by default the model's. A version that does not answer after
    `timeout_seconds` is taken back.
    """

    context: Annotated[str, Field(min_length=1)]
    namespace: Name
    name: Name | None = None
    timeout_seconds: Annotated[float, Field(gt=0)] = 300
    gateway: Gateway | None = None
    prometheus: Annotated[str, Field(pattern="^https?://")] | None = None
    canary: Canary = Canary()
    pipeline_account: Account | None = None

    def resolved(self, settings: Any) -> "Deploy":
        """With the name that the objects have."""
        return self.model_copy(update={"name": self.name or settings.registry.name})


def selected() -> str:
    """The name of the configuration that the environment selects."""
    return os.environ.get(ENVIRONMENT) or "local"


SECTIONS = {"deploy": (Deploy | None, None)}
LOGINS = {"deploy": "the kubeconfig holds it"}
