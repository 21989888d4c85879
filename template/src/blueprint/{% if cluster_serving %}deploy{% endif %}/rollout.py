"""A version on its way: followed pod by pod until it answers or clearly never will."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..errors import UserError
from . import pods
from .connection import Cluster, Object
from .pin import Pin, pinned
from .platform import Platform
from .rules import way_out

EVERY = 0.5  # seconds between looks
PATIENCE = 5  # seconds for which a rejection must last, for others may make room meanwhile
IN_A_ROW = 5  # answers of the new version through the Service, until nobody else answers
Ask = Callable[[Cluster, str, str], tuple[int, str]]
Say = Callable[[str], None]


def follow(platform: Platform, pin: Pin, model: str, say: Say, ask: Ask = Cluster.ask) -> Object:
    """Wait until every pod serves the version and it answers through its Service; return the object
    as it is then.

    `say` is given what each pod does, as it changes; `ask` is how a Service is asked. Raises
    UserError, within `deploy.timeout_seconds`.
    """
    end = time.monotonic() + platform.cluster.deploy.timeout_seconds
    watched, answers, answer = _Watched(platform, say), 0, ""
    while answers < IN_A_ROW:
        if watched.done():
            version, answer = served(platform, watched.live, model, ask)
            answers = answers + 1 if version == pin.version else 0
        else:
            answers, answer = 0, ""
        if time.monotonic() > end:
            seconds = f"{platform.cluster.deploy.timeout_seconds:.0f} s"
            why = f"the pods are ready, but the Service answers {answer}" if answer else ""
            raise UserError(f"{why or watched.why()} (after {seconds}: deploy.timeout_seconds)")
        if not answers:
            time.sleep(EVERY)
    return watched.live


def served(
    platform: Platform, live: Object, model: str, ask: Ask = Cluster.ask
) -> tuple[str | None, str]:
    """The version that answers through the Service, or None; and what was answered."""
    code, text = ask(platform.cluster, platform.service(live), f"/v1/models/{model}")
    version = None
    with suppress(ValueError, KeyError, TypeError):
        states = json.loads(text)["model_version_status"]
        version = next((each["version"] for each in states if each["state"] == "AVAILABLE"), None)
    return version, f"{code} {' '.join(text.split())[:200]}"


def deployment_of(platform: Platform, live: Object) -> Object | None:
    """The Deployment whose pods serve the stable version, once there is one."""
    name = platform.deployment(live)
    cluster = platform.cluster
    return cluster.get(cluster.path("apps/v1", "deployments", name)) if name else None


def result(served: Platform, live: Object, pin: Pin, seconds: float) -> str:
    """What is served now, in one line."""
    image, address = image_of(served, live).rpartition(":")[2][:12], served.address(live)
    return f"{pin} in image {image} answers at {address} after {seconds:.1f} s"


def image_of(served: Platform, live: Object) -> str:
    """The reference of the image that answers."""
    deployment = deployment_of(served, live)
    containers = deployment["spec"]["template"]["spec"]["containers"] if deployment else []
    return str(containers[0]["image"]) if containers else ""


class _Watched:
    """A rollout as it was seen last."""

    def __init__(self, platform: Platform, say: Say) -> None:
        self.platform, self.say = platform, say
        self.live: Object = {}
        self.pods: list[pods.Pod] = []
        self.shown: dict[str, str] = {}
        self.rejection, self.since = "", 0.0

    def done(self) -> bool:
        """Look once: are all pods new and ready? Raises UserError where none will ever be."""
        cluster = self.platform.cluster
        found = cluster.get(self.platform.path)
        if found is None:
            raise UserError(f"{self.platform.kind} {self.platform.name} was deleted meanwhile")
        self.live = found
        deployment = deployment_of(self.platform, found)
        self._rejected(
            self.platform.problem(found) or (_rejection(deployment) if deployment else "")
        )
        if deployment is None:
            return False
        annotations = deployment["spec"]["template"]["metadata"].get("annotations")
        if pinned(annotations) != self.platform.pin(found):
            return False  # a controller has not brought it there yet: these are older pods
        made = pods.of_template(cluster, deployment)
        self.pods = [pods.read(cluster, each) for each in made]
        for pod in self.pods:
            if self.shown.get(pod.name) != pod.state:
                self.shown[pod.name] = pod.state
                self.say(f"pod {pod.name} {pod.state}")
            if pod.hopeless:
                raise UserError(pod.trouble)
        late = condition(deployment, "Progressing").get("reason") == "ProgressDeadlineExceeded"
        if late and _seen(deployment):
            raise UserError(f"{self.why()} (progressDeadlineSeconds are over)")
        return complete(deployment)

    def why(self) -> str:
        """What keeps the version from answering."""
        if self.rejection:
            return self.rejection
        trouble = next((pod.trouble for pod in self.pods if pod.trouble), "")
        if trouble:
            return trouble
        waiting = next((pod for pod in self.pods if not pod.ready), None)
        if waiting is None:
            return "the rollout did not end"
        if not waiting.silent:
            return f"pod {waiting.name} {waiting.state}"
        words = pods.last_words(self.platform.cluster, waiting)
        text = f"pod {waiting.name}: {waiting.silent} runs, and is not ready"
        return ". ".join(filter(None, [text, words]))

    def _rejected(self, text: str) -> None:
        """Give up on what lasts."""
        if text != self.rejection:
            self.rejection, self.since = text, time.monotonic()
            if text:
                self.say(text)
        if text and time.monotonic() - self.since > PATIENCE:
            raise UserError(text)


def complete(deployment: Object | None) -> bool:
    """Whether all pods of a Deployment are of its template and ready."""
    if deployment is None:
        return False
    wanted, status = deployment["spec"].get("replicas", 1), deployment.get("status", {})
    counts = {status.get(f"{each}eplicas", 0) for each in ("r", "updatedR", "availableR")}
    return _seen(deployment) and counts == {wanted} and wanted > 0


def _seen(deployment: Object) -> bool:
    """Whether the controller has seen the Deployment as it is."""
    seen: int = deployment.get("status", {}).get("observedGeneration", 0)
    return bool(seen >= deployment["metadata"]["generation"])


def condition(deployment: Object, name: str) -> dict[str, Any]:
    conditions = deployment.get("status", {}).get("conditions", ())
    return next((each for each in conditions if each["type"] == name), {})


def _rejection(deployment: Object) -> str:
    """Why the cluster makes no pod of it, such as a quota; "" where it does."""
    failure = condition(deployment, "ReplicaFailure")
    if failure.get("status") != "True" or not _seen(deployment):
        return ""
    message = " ".join(failure.get("message", "").split())
    return f"the cluster makes no pod: {message}{way_out(message)}"
