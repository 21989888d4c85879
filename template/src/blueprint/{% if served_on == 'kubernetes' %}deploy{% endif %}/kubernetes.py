"""Plain Kubernetes: a Deployment, behind a Service of the same name."""

from dataclasses import dataclass

from .connection import JSON_PATCH, Cluster, Object
from .pin import SHA256, URI, VERSION, Pin, pinned


@dataclass(frozen=True)
class Plain:
    """The Deployment of that name; its Service has the same."""

    cluster: Cluster
    name: str
    version: str = "apps/v1"
    kind: str = "Deployment"

    @property
    def path(self) -> str:
        return self.cluster.path(self.version, "deployments", self.name)

    def check(self) -> None:
        """Every cluster has Deployments."""

    def pin(self, live: Object | None) -> Pin | None:
        return pinned(live["spec"]["template"]["metadata"].get("annotations")) if live else None

    def change(self, given: Object, pin: Pin | None) -> list[Object]:
        where = "/spec/template/metadata/annotations"
        there = given["spec"]["template"]["metadata"].get("annotations") or {}
        new = there | (pin.annotations if pin else dict.fromkeys((VERSION, SHA256, URI), ""))
        return [{"op": "add", "path": where, "value": new}]

    def restore(self, before: Object) -> None:
        template = {"op": "replace", "path": "/spec/template", "value": before["spec"]["template"]}
        self.cluster.patch(self.path, [template], JSON_PATCH)

    def deployment(self, live: Object) -> str | None:
        return self.name

    def service(self, live: Object) -> str:
        return f"{self.name}:http"

    def problem(self, live: Object) -> str:
        return ""

    def address(self, live: Object) -> str:
        gateway = self.cluster.deploy.gateway
        if gateway:
            return f"http://{gateway.hostnames[0]}"
        return f"http://{self.name}.{self.cluster.namespace}.svc"


def platform(cluster: Cluster) -> Plain:
    """The Deployment that the configuration names."""
    name = cluster.deploy.name
    assert name, "Deploy.resolved gives it"
    return Plain(cluster, name)
