"""What pods of a Deployment are doing, in words; and what is wrong with one that is not ready."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .connection import Cluster, Object

NO_IMAGE = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
HOPELESS = (*NO_IMAGE, "CreateContainerConfigError")
PULLING = ("ErrImagePull", *NO_IMAGE)
FAILURES = 2  # of one container, after which it is not started once more
LINES = 5  # of a log


@dataclass(frozen=True)
class Pod:
    """A pod: what it does, whether it is ready, and what is wrong with it.

    `hopeless`: to wait longer is of no use. `silent` names the container that runs and is not
    ready.
    """

    name: str
    state: str
    ready: bool = False
    trouble: str = ""
    hopeless: bool = False
    silent: str = ""


def of_template(cluster: Cluster, deployment: Object) -> list[Object]:
    """The pods that were made from a Deployment's template as it is now, by its annotations and
    images: who deploys may not be allowed to look at ReplicaSets."""
    labels = deployment["spec"]["selector"]["matchLabels"]
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    wanted = _made_of(deployment["spec"]["template"])
    pods = cluster.items(cluster.path("v1", "pods"), labelSelector=selector)
    return [pod for pod in pods if wanted.items() <= _made_of(pod).items()]


def read(cluster: Cluster, pod: Object) -> Pod:
    """What a pod does, for people."""
    name, status = pod["metadata"]["name"], pod.get("status", {})
    conditions = {each["type"]: each for each in status.get("conditions", ())}
    scheduled = conditions.get("PodScheduled", {})
    if pod["metadata"].get("deletionTimestamp"):
        return Pod(name, "ends")
    if scheduled.get("reason") == "Unschedulable":
        text = f"cannot be scheduled: {' '.join(scheduled.get('message', '').split())}"
        return Pod(name, text, trouble=f"pod {name} {text}")
    for each, first in _containers(status):
        if found := _failing(cluster, pod, each):
            return found
        state = each.get("state", {})
        if first and "terminated" not in state:
            doing = "runs" if "running" in state else "waits for its image for"
            return Pod(name, f"{doing} {each['name']}")
        if not first and "running" in state and not each.get("ready"):
            return Pod(name, f"{each['name']} starts", silent=each["name"])
    if conditions.get("Ready", {}).get("status") == "True":
        return Pod(name, "is ready", ready=True)
    placed = scheduled.get("status") == "True"
    return Pod(name, "waits for its image" if placed else "waits for a node")


def last_words(cluster: Cluster, pod: Pod) -> str:
    """Why a server that runs is not ready: its probe's answer, and the last lines of its log."""
    query = {"fieldSelector": f"involvedObject.name={pod.name}"}
    events = cluster.items(cluster.path("v1", "events"), **query)
    probes = [each["message"] for each in events if each.get("reason") == "Unhealthy"]
    found = " ".join(probes[-1].split()) if probes else ""
    return ". ".join(filter(None, [found, quoted(cluster.log(pod.name, pod.silent, lines=LINES))]))


def quoted(log: str) -> str:
    """The last lines of a log in one line of text, "" for none."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return f"its log ends: {' | '.join(lines[-LINES:])[-600:]}" if lines else ""


def _containers(status: Object) -> Iterator[tuple[Object, bool]]:
    """Each container's status, and whether it runs before the others."""
    for each in status.get("initContainerStatuses", ()):
        yield each, True
    for each in status.get("containerStatuses", ()):
        yield each, False


def _failing(cluster: Cluster, given: Object, container: Object) -> Pod | None:
    """A pod whose container cannot be started or ended with an error."""
    pod, name = given["metadata"]["name"], container["name"]
    waiting = container.get("state", {}).get("waiting", {})
    reason, message = waiting.get("reason", ""), " ".join(waiting.get("message", "").split())
    if reason in PULLING:
        image = _image(given, container, message)
        text = f"pod {pod}: the image {image} cannot be pulled: {message or reason}"
        return Pod(pod, "cannot pull its image", trouble=text, hopeless=reason in HOPELESS)
    if reason in HOPELESS:
        return Pod(pod, message, trouble=f"pod {pod}: {name}: {message}", hopeless=True)
    now = container.get("state", {}).get("terminated")
    ended = now or container.get("lastState", {}).get("terminated")
    if not ended or not ended.get("exitCode") or container.get("ready"):
        return None
    failures = container.get("restartCount", 0) + bool(now)
    said = ended.get("message") or cluster.log(pod, name, previous=not now, lines=LINES)
    how = "was killed for using too much memory" if ended.get("reason") == "OOMKilled" else "failed"
    text = f"pod {pod}: {name} {how} (exit code {ended['exitCode']})"
    trouble = ". ".join(filter(None, [text, quoted(said)]))
    return Pod(pod, f"{name} {how}", trouble=trouble, hopeless=failures >= FAILURES)


def _image(pod: Object, container: Object, message: str) -> str:
    """The image that a message is about: the container's, or one that the pod mounts."""
    mounted = _mounted(pod.get("spec", {})).values()
    return next((each for each in mounted if each in message), container["image"])


def _mounted(spec: Object) -> dict[str, str]:
    """The images that a pod mounts, by volume."""
    volumes = spec.get("volumes", ())
    return {each["name"]: each["image"]["reference"] for each in volumes if "image" in each}


def _made_of(pod: Object) -> dict[str, Any]:
    """The annotations and the images of a pod or of a template."""
    spec = pod["spec"]
    containers = [*spec.get("initContainers", ()), *spec["containers"]]
    images = {f"image of {each['name']}": each["image"] for each in containers}
    return (pod["metadata"].get("annotations") or {}) | images | _mounted(spec)
