"""A canary on plain Kubernetes: a second Deployment and Service, and the weights of the HTTPRoute.

`NAME-canary` are the Deployment and the Service of the manifests under another name and component,
so the Service, the budget and the autoscaler of the version in service do not know its pods.
"""

import math

from ..errors import UserError
from . import rollout
from .connection import JSON_PATCH, Object
from .kubernetes import Plain
from .pin import Pin
from .platform import Platform
from .steps import Say, wait_until
from .weights import CANARY, as_canary, weighted

ROUTES = "gateway.networking.k8s.io/v1"
SECONDS = 30  # that a gateway may take to read new weights


class Weighted:
    """The canary of the Deployment of that name."""

    def __init__(self, stable: Plain) -> None:
        self.cluster, self.name, self.stable = stable.cluster, stable.name, stable
        self.beside = Plain(stable.cluster, f"{stable.name}-{CANARY}")
        self._manifests: dict[str, Object] = {}

    @property
    def deployments(self) -> tuple[str, str]:
        return self.name, self.beside.name

    def left(self) -> Pin | None:
        return self.beside.pin(self.cluster.get(self.beside.path))

    def check(self, objects: list[Object]) -> None:
        named = [each for each in objects if each["metadata"]["name"] == self.name]
        self._manifests = {each["kind"]: each for each in named}
        if "HTTPRoute" not in self._manifests:
            raise UserError(
                "a canary needs an HTTPRoute whose weights can be moved: set deploy.gateway in the "
                "configuration (docs/deploy.md), or deploy without CANARY"
            )
        if not self.stable.pin(self.cluster.get(self.stable.path)):
            raise UserError(
                f"nothing is served in {self.cluster.namespace} yet that a canary could be "
                "compared with: deploy without CANARY first"
            )
        if self.cluster.get(self._route) is None:
            raise UserError(
                f"there is no HTTPRoute {self.name} in {self.cluster.namespace} yet: deploy once "
                "without CANARY"
            )

    def begin(self, pin: Pin, percent: int, model: str, say: Say) -> None:
        deployment = as_canary(self._manifests["Deployment"])
        deployment["spec"]["replicas"] = self._replicas(percent)
        self.cluster.apply(self._service, as_canary(self._manifests["Service"]))
        self.cluster.apply(self.beside.path, deployment)
        rollout.follow(self.beside, pin, model, say)

    def shift(self, percent: int) -> None:
        if percent:
            self._scale(self._replicas(percent))
        if route := self._manifests.get("HTTPRoute") or self.cluster.get(self._route):
            self.cluster.apply(self._route, weighted(route, self.name, self.beside.name, percent))
            wait_until(SECONDS, "the gateway does not accept the weights", self._is_accepted)

    def promotion(self, objects: list[Object]) -> list[Object]:
        return [each for each in objects if each["kind"] != "HTTPRoute"]

    def end(self) -> None:
        self.cluster.delete(self.beside.path)
        self.cluster.delete(self._service)

    @property
    def _route(self) -> str:
        return self.cluster.path(ROUTES, "httproutes", self.name)

    @property
    def _service(self) -> str:
        return self.cluster.path("v1", "services", self.beside.name)

    def _replicas(self, percent: int) -> int:
        """As many of the version in service's pods as that share needs."""
        live = self.cluster.get(self.stable.path) or {"spec": {}}
        replicas: int = live["spec"].get("replicas", 1)
        return max(1, math.ceil(replicas * percent / 100))

    def _scale(self, replicas: int) -> None:
        live = self.cluster.get(self.beside.path)
        if live and live["spec"]["replicas"] < replicas:
            change = {"op": "replace", "path": "/spec/replicas", "value": replicas}
            self.cluster.patch(self.beside.path, [change], JSON_PATCH)
            limit = self.cluster.deploy.timeout_seconds
            wait_until(limit, f"{replicas} pods of the canary are not ready", self._is_complete)

    def _is_complete(self) -> bool:
        return rollout.complete(self.cluster.get(self.beside.path))

    def _is_accepted(self) -> bool:
        """Whether each gateway of the route has seen it as it is, and found what it refers to."""
        route = self.cluster.get(self._route) or {}
        seen = route.get("metadata", {}).get("generation", 0)
        parents = route.get("status", {}).get("parents", [])
        states = [
            condition["status"] == "True" and condition.get("observedGeneration", seen) >= seen
            for parent in parents
            for condition in parent.get("conditions", ())
            if condition["type"] in ("Accepted", "ResolvedRefs")
        ]
        return bool(states) and all(states)


def canary(served: Platform) -> Weighted:
    """The canary beside what serves this project's model."""
    return Weighted(Plain(served.cluster, served.name))
