"""KServe in its Standard mode: one InferenceService, whose controller makes the Deployment."""

from dataclasses import dataclass
from typing import Any

from ..errors import UserError
from .connection import JSON_PATCH, Cluster, Object
from .pin import SHA256, URI, VERSION, Pin, pinned

API = "serving.kserve.io/v1beta1"
CONTAINER, STORAGE_URI = "kserve-container", "STORAGE_URI"
PROXIED = "mlflow-artifacts:"  # files that MLflow itself hands out
READERS = "/apis/serving.kserve.io/v1alpha1/clusterstoragecontainers"
MODE = "serving.kserve.io/deploymentMode"
TRIED_AGAIN = "Operation cannot be fulfilled"  # somebody else wrote the object meanwhile
UNREADY = "InferenceServiceNotReady"  # an event that comes with any change, and says no reason
FAILED = ("BlockedByFailedLoad", "InvalidSpec")  # states of status.modelStatus that do not pass


@dataclass(frozen=True)
class Service:
    """The InferenceService of that name. `predictor` is "" for the version in service, or names a
    canary of it."""

    cluster: Cluster
    name: str
    predictor: str = ""
    version: str = API
    kind: str = "InferenceService"

    @property
    def path(self) -> str:
        return self.cluster.path(self.version, "inferenceservices", self.name)

    def check(self) -> None:
        if self.cluster.get(f"/apis/{self.version}") is None:
            raise UserError(
                f"the cluster does not know {self.kind} ({self.version}): KServe 0.21 or newer is "
                "to be installed there, or serving_platform=kubernetes serves without it"
            )
        live = self.cluster.get(self.path)
        if live is None:
            return
        where = f"{self.kind} {self.name} in namespace {self.cluster.namespace}"
        other = "delete it, or set another deploy.name"
        if live["metadata"].get("deletionTimestamp"):
            raise UserError(f"{where} is being deleted: wait until it is gone")
        if not live["spec"].get("predictor", {}).get("name"):
            raise UserError(
                f"{where} has a predictor without a name, so this project did not make it, and "
                f"naming it would lose requests: {other}"
            )
        if VERSION not in (live["spec"]["predictor"].get("annotations") or {}):
            raise UserError(f"{where} is not of this project (no {VERSION}): {other}")
        if (mode := live["metadata"].get("annotations", {}).get(MODE)) not in ("Standard", None):
            raise UserError(f"{where} is in mode {mode}, where Standard is needed: {other}")

    def pin(self, live: Object | None) -> Pin | None:
        found = self._predictor(live) if live else None
        return pinned(found.get("annotations")) if found else None

    def change(self, given: Object, pin: Pin | None) -> list[Object]:
        predictor = given["spec"]["predictor"]
        new = pin.annotations if pin else dict.fromkeys((VERSION, SHA256, URI), "")
        annotations = (predictor.get("annotations") or {}) | new
        where = "/spec/predictor/annotations"
        return [{"op": "add", "path": where, "value": annotations}, _storage(predictor, new[URI])]

    def restore(self, before: Object) -> None:
        change = {"op": "replace", "path": "/spec", "value": before["spec"]}
        self.cluster.patch(self.path, [change], JSON_PATCH)

    def deployment(self, live: Object) -> str | None:
        found = self._predictor(live)
        return f"{self.name}-{found['name']}-predictor" if found else None

    def service(self, live: Object) -> str:
        return f"{self.deployment(live)}:80"

    def problem(self, live: Object) -> str:
        status = live.get("status", {}).get("modelStatus", {})
        failure = status.get("lastFailureInfo", {})
        now = str(failure.get("time") or "z") >= max(_writings(live), default="")
        if not self.predictor and now and status.get("transitionStatus") in FAILED:
            text = failure.get("message") or failure.get("reason") or status["transitionStatus"]
            return f"KServe: {' '.join(text.split())[-600:]}"
        return self._unread(live) or self._warning(live)

    def address(self, live: Object) -> str:
        url = live.get("status", {}).get("url")
        return str(url or f"http://{self.deployment(live)}.{self.cluster.namespace}.svc")

    def _predictor(self, live: Object) -> dict[str, Any] | None:
        if not self.predictor:
            found: dict[str, Any] = live["spec"]["predictor"]
            return found
        canaries = (each["predictor"] for each in live["spec"].get("canary") or ())
        return next((each for each in canaries if each["name"] == self.predictor), None)

    def _unread(self, live: Object) -> str:
        """That nothing in the cluster reads such files, where that may be looked at."""
        pin = self.pin(live)
        if pin is None or not pin.uri.startswith(PROXIED):
            return ""
        readers = self.cluster.items(READERS)
        known = [form.get("prefix") for each in readers for form in _formats(each)]
        if not readers or PROXIED in known:
            return ""
        return (
            f"KServe has no ClusterStorageContainer that reads {PROXIED} whoever runs the cluster "
            "applies deploy/storage-container (docs/manifests.md)"
        )

    def _warning(self, live: Object) -> str:
        """What the controller says about the object as it is, such as a scheme that nobody reads:
        it is in no status."""
        query = {"fieldSelector": f"involvedObject.name={self.name},type=Warning"}
        written = max(_writings(live), default="")
        said = [
            each["message"]
            for each in self.cluster.items(self.cluster.path("v1", "events"), **query)
            if each["involvedObject"]["kind"] == self.kind
            and _time(each) >= written
            and each.get("reason") != UNREADY
            and TRIED_AGAIN not in each["message"]
        ]
        return f"KServe: {' '.join(said[-1].split())[:600]}" if said else ""


def _formats(reader: Object) -> list[dict[str, str]]:
    """What a ClusterStorageContainer reads."""
    found: list[dict[str, str]] = reader["spec"]["supportedUriFormats"]
    return found


def _writings(live: Object) -> list[str]:
    """When somebody wrote the object, its status apart."""
    fields = live["metadata"].get("managedFields", ())
    return [each["time"] for each in fields if "time" in each and not each.get("subresource")]


def _time(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def _storage(predictor: dict[str, Any], uri: str) -> Object:
    """The change of where KServe's storage container reads: a model's, or the server's variable."""
    if "model" in predictor:
        return {"op": "add", "path": "/spec/predictor/model/storageUri", "value": uri}
    names = [each["name"] for each in predictor.get("containers", ())]
    if CONTAINER not in names:
        raise UserError(f"deploy/: the predictor has no container {CONTAINER}, which KServe needs")
    at = names.index(CONTAINER)
    variables = predictor["containers"][at].get("env") or []
    new = [each for each in variables if each["name"] != STORAGE_URI]
    new.append({"name": STORAGE_URI, "value": uri})
    return {"op": "add", "path": f"/spec/predictor/containers/{at}/env", "value": new}


def platform(cluster: Cluster) -> Service:
    """The InferenceService that the configuration names."""
    name = cluster.deploy.name
    assert name, "Deploy.resolved gives it"
    return Service(cluster, name)
