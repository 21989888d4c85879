"""A canary of KServe's: `spec.canary` of the InferenceService, and the weights it moves by it.

The list is written under a manager of its own, so that manifests, which have none, leave it alone.
The version in service keeps its predictor's name: it gets the new version by a rolling update
while the canary answers, and the canary goes. Renaming it, as KServe's own promotion does, loses
requests.
"""

from collections.abc import Iterator
from typing import Any

from ..errors import UserError
from . import rollout
from .connection import Object
from .kserve import Service
from .pin import Pin
from .platform import Platform
from .steps import Say, wait_until

CANARY = "canary"
MANAGER = "blueprint-canary"
ROUTES = "gateway.networking.k8s.io/v1"
SECONDS = 30  # that KServe may take to move the weights
NOT_A_CANARYS = ("maxReplicas", "scaleTarget", "scaleMetric", "autoScaling", "workerSpec")


class Share:
    """The canary of an InferenceService."""

    def __init__(self, stable: Service) -> None:
        self.cluster, self.name, self.stable = stable.cluster, stable.name, stable
        self.beside = Service(stable.cluster, stable.name, CANARY)
        self._predictor: dict[str, Any] = {}

    @property
    def deployments(self) -> tuple[str, str]:
        live = self._live()
        return str(self.stable.deployment(live)), f"{self.name}-{CANARY}-predictor"

    def left(self) -> Pin | None:
        return self.beside.pin(self.cluster.get(self.stable.path))

    def check(self, objects: list[Object]) -> None:
        named = (each for each in objects if each["kind"] == self.stable.kind)
        predictor = next(named)["spec"]["predictor"]
        self._predictor = {
            key: value for key, value in predictor.items() if key not in NOT_A_CANARYS
        } | {"name": CANARY}
        if not self.stable.pin(self.cluster.get(self.stable.path)):
            raise UserError(
                f"nothing is served in {self.cluster.namespace} yet that a canary could be "
                "compared with: deploy without CANARY first"
            )

    def begin(self, pin: Pin, percent: int, model: str, say: Say) -> None:
        self._write(0, self._replicas(percent))
        rollout.follow(self.beside, pin, model, say)

    def shift(self, percent: int) -> None:
        live = self._live()
        now = (live["spec"].get("canary") or [None])[0]
        if now is None:
            return
        self._predictor = self._predictor or now["predictor"]
        before, replicas = now["trafficPercent"], self._replicas(percent) if percent else 1
        if percent > before or before == 100:
            # First the pods, then the requests. KServe takes the canary's pods off what the version
            # in service has, so at the canary's end they come back to that one first.
            self._write(before, replicas)
            self._wait_for_pods(self.deployments if percent else self.deployments[:1])
        self._write(percent, replicas)
        problem = (
            f"KServe has not moved the weights: no HTTPRoute {self.name} gives {percent} % to the "
            "canary. Version 0.20 never does: 0.21 or newer is needed, with the Gateway API"
        )
        wait_until(SECONDS, problem, lambda: self._weight() == percent)

    def promotion(self, objects: list[Object]) -> list[Object]:
        return objects

    def end(self) -> None:
        self._apply({})
        limit = self.cluster.deploy.timeout_seconds
        _, name = self.deployments
        path = self.cluster.path("apps/v1", "deployments", name)
        wait_until(limit, f"KServe keeps Deployment {name}", lambda: self.cluster.get(path) is None)
        # KServe leaves it: https://github.com/kserve/kserve deletes no canary's autoscaler.
        self.cluster.delete(self.cluster.path("autoscaling/v2", "horizontalpodautoscalers", name))

    def _live(self) -> Object:
        live = self.cluster.get(self.stable.path)
        if live is None:
            raise UserError(f"{self.stable.kind} {self.name} was deleted meanwhile")
        return live

    def _replicas(self, percent: int) -> int:
        """As many of the pods that the version in service has at least as that share needs."""
        least: int = self._live()["spec"]["predictor"].get("minReplicas", 1)
        return max(1, -(-least * percent // 100))

    def _write(self, percent: int, replicas: int) -> None:
        predictor = self._predictor | {"minReplicas": replicas}
        self._apply({"canary": [{"trafficPercent": percent, "predictor": predictor}]})

    def _apply(self, spec: dict[str, Any]) -> None:
        wanted = {"apiVersion": self.stable.version, "kind": self.stable.kind, "spec": spec}
        wanted["metadata"] = {"name": self.name}
        self.cluster.apply(self.stable.path, wanted, MANAGER)

    def _wait_for_pods(self, deployments: tuple[str, ...]) -> None:
        limit = self.cluster.deploy.timeout_seconds
        problem = f"not all pods of {' and '.join(deployments)} are ready"
        wait_until(limit, problem, lambda: all(map(self._is_complete, deployments)))

    def _is_complete(self, deployment: str) -> bool:
        path = self.cluster.path("apps/v1", "deployments", deployment)
        return rollout.complete(self.cluster.get(path))

    def _weight(self) -> int:
        """The share that the route gives to the canary."""
        route = self.cluster.get(self.cluster.path(ROUTES, "httproutes", self.name)) or {}
        rules = route.get("spec", {}).get("rules", ())
        refs = [each for rule in rules for each in rule.get("backendRefs", ())]
        _, canary = self.deployments
        weights: Iterator[int] = (each["weight"] for each in refs if each["name"] == canary)
        return next(weights, 0)


def canary(served: Platform) -> Share:
    """The canary beside what serves this project's model."""
    return Share(Service(served.cluster, served.name))
