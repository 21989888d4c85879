"""Run a compiled pipeline by pods, where there is no Kubeflow: for a project's own Python.

Everything that a pod gets is read from the compiled file, as KFP's driver reads it: image, command,
arguments, environment and resources from the pipeline spec; Secrets, volumes, nodes, labels and the
rest from the platform spec. KFP's own local orchestrator decides what runs, in which order, how
often and with which executor input (conditions, artifacts, placeholders, retries); here is only
where: each executor becomes a Job. In place of KFP's launcher is the pipeline root: a volume that
is a folder of this machine.

    python run_in_pods.py build/training.yaml '{"revision": "abc"}' --namespace team --root /shared

It prints what pods print, and writes `<root>/steps.json`: what became of each step. Exit code 1:
the run failed.
"""

import argparse
import json
import logging
import sys
import threading
import time
from pathlib import Path
from typing import Any

import kfp
import yaml
from kfp import local
from kfp.local import subprocess_task_handler, task_dispatcher
from kfp.local.status import Status
from kubernetes import client, config

POLL = 0.5
PAUSE = "ARGO_DEBUG_PAUSE_BEFORE"
# What Argo's executor does with that variable, in a container that has none.
WAIT = (
    'echo waiting; while [ ! -e /var/run/argo/ctr/main/before ]; do sleep 0.3; done; exec "$0" "$@"'
)
# As KFP 2.17's compiler writes it into every pod of a user.
SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
STUCK = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError")
Spec = dict[str, Any]


def pod_spec(executor: Spec, platform: Spec, given: argparse.Namespace, command: list[str]) -> Spec:
    """The pod of an executor: a template, in Kubernetes' words."""
    claim = {"claimName": given.claim}
    volumes: list[Spec] = [{"name": "root", "persistentVolumeClaim": claim}]
    mounts: list[Spec] = [{"name": "root", "mountPath": given.root}]

    def mount(path: str, source: Spec, **more: Any) -> None:
        name = f"v{len(volumes)}"
        volumes.append({"name": name, **source})
        mounts.append({"name": name, "mountPath": path, **more})

    for each in platform.get("pvcMount", []):
        source = {"persistentVolumeClaim": {"claimName": each["constant"]}}
        mount(each["mountPath"], source, subPath=each.get("subPath", ""))
    for each in platform.get("configMapAsVolume", []):
        mount(each["mountPath"], {"configMap": {"name": each["configMapName"]}}, readOnly=True)
    for each in platform.get("secretAsVolume", []):
        mount(each["mountPath"], {"secret": {"secretName": each["secretName"]}}, readOnly=True)
    for each in platform.get("emptyDirMounts", []):
        sized = {"medium": each.get("medium", ""), "sizeLimit": each.get("sizeLimit")}
        mount(each["mountPath"], {"emptyDir": sized})

    environment = [dict(each) for each in executor.get("env", [])]
    for kind, reference, name in (
        ("secretAsEnv", "secretKeyRef", "secretName"),
        ("configMapAsEnv", "configMapKeyRef", "configMapName"),
    ):
        for each in platform.get(kind, []):
            for pair in each["keyToEnv"]:
                key = pair.get("secretKey") or pair.get("configMapKey")
                source = {reference: {"name": each[name], "key": key}}
                environment.append({"name": pair["envVar"], "valueFrom": source})
    for variable, value in given.variable:
        environment.append({"name": variable, "value": value})
    if any(each["name"] == PAUSE for each in environment):
        mount("/var/run/argo/ctr/main", {"emptyDir": {}})
        command = ["sh", "-c", WAIT, *command]

    container = {
        "name": "main",
        "image": executor["image"],
        "command": command,
        "env": environment,
        "resources": resources(executor.get("resources", {})),
        "volumeMounts": mounts,
        "securityContext": SECURITY | platform.get("securityContext", {}),
    }
    spec = {
        "restartPolicy": "Never",
        "serviceAccountName": given.service_account,
        "nodeSelector": platform.get("nodeSelector", {}).get("labels"),
        "tolerations": platform.get("tolerations"),
        "imagePullSecrets": [
            {"name": each["secretName"]} for each in platform.get("imagePullSecret", [])
        ],
        "volumes": volumes,
        "containers": [container],
    }
    if deadline := platform.get("activeDeadlineSeconds"):
        spec["activeDeadlineSeconds"] = int(deadline)
    metadata = platform.get("podMetadata", {})
    return {"metadata": metadata, "spec": {k: v for k, v in spec.items() if v}}


def resources(given: Spec) -> Spec:
    """Requests and limits, in Kubernetes' words."""
    found: Spec = {"requests": {}, "limits": {}}
    for word in ("Cpu", "Memory"):
        for end in ("Request", "Limit"):
            if value := given.get(f"resource{word}{end}"):
                found[f"{end.lower()}s"][word.lower()] = value
    if accelerator := given.get("accelerator"):
        found["limits"][accelerator["resourceType"]] = accelerator["resourceCount"]
    return found


class Cluster:
    """Jobs in a namespace, and what became of each: `steps`."""

    def __init__(self, executors: Spec, platform: Spec, given: argparse.Namespace) -> None:
        config.load_kube_config()
        self.core, self.batch = client.CoreV1Api(), client.BatchV1Api()
        self.executors, self.platform, self.given = executors, platform, given
        self.steps: list[Spec] = []
        self.prefix = f"run-{int(time.time() * 1000) % 10**9}"

    def run(self, label: str, command: list[str]) -> bool:
        """One attempt at an executor, to its end; whether it succeeded."""
        name = f"{self.prefix}-{len(self.steps)}"
        executor, platform = self.executors[label]["container"], self.platform.get(label, {})
        template = pod_spec(executor, platform, self.given, command)
        step = {"step": label.removeprefix("exec-").replace("-", "_"), "job": name, "log": ""}
        template["metadata"].setdefault("labels", {})["pipeline/step"] = step["step"]
        self.steps.append(step)
        body = {
            "metadata": {"name": name, "labels": template["metadata"]["labels"]},
            "spec": {"backoffLimit": 0, "template": template},
        }
        self.batch.create_namespaced_job(self.given.namespace, body)
        step["state"] = self.wait(name, step)
        print(step["log"], end="", flush=True)
        print(f"{step['step']}: {step['state']}", flush=True)
        return bool(step["state"] == "succeeded")

    def wait(self, name: str, step: Spec) -> str:
        end = time.monotonic() + self.given.timeout
        while time.monotonic() < end:
            pods = self.core.list_namespaced_pod(
                self.given.namespace, label_selector=f"job-name={name}"
            ).items
            if pods:
                pod = pods[0]
                step["pod"] = client.ApiClient().sanitize_for_serialization(pod)
                phase, reason = pod.status.phase, self.stuck(pod)
                if phase in ("Succeeded", "Failed"):
                    step["log"] = self.core.read_namespaced_pod_log(
                        pod.metadata.name, self.given.namespace
                    )
                    return str(phase).lower()
            else:  # a Job whose pods are rejected, by a quota or a policy, only has events
                reason = self.rejected(name)
            if reason:
                step["log"] = f"{reason}\n"
                return "rejected"
            time.sleep(POLL)
        return "timeout"

    def stuck(self, pod: Any) -> str:
        for each in pod.status.container_statuses or []:
            waiting = each.state.waiting
            if waiting and waiting.reason in STUCK:
                return f"{waiting.reason}: {waiting.message}"
        return ""

    def rejected(self, name: str) -> str:
        events = self.core.list_namespaced_event(
            self.given.namespace, field_selector=f"involvedObject.name={name}"
        ).items
        return next((str(each.message) for each in events if each.reason == "FailedCreate"), "")


def run(path: Path, arguments: Spec, given: argparse.Namespace) -> bool:
    """Run the pipeline of a compiled file; whether it succeeded."""
    spec, *rest = yaml.safe_load_all(path.read_text())
    kubernetes = rest[0]["platforms"]["kubernetes"] if rest else {}
    platform = kubernetes.get("deploymentSpec", {}).get("executors", {})
    cluster = Cluster(spec["deploymentSpec"]["executors"], platform, given)
    current = threading.local()
    original = task_dispatcher.run_single_task_implementation

    def dispatched(*args: Any, **options: Any) -> Any:
        current.label = options["component_spec"].executor_label
        return original(*args, **options)

    class InPod:
        """In place of KFP's subprocess: the same command, in the executor's own image."""

        def __init__(self, full_command: list[str], **_: Any) -> None:
            self.command = full_command

        def run(self) -> Status:
            done = cluster.run(current.label, self.command)
            return Status.SUCCESS if done else Status.FAILURE

    task_dispatcher.run_single_task_implementation = dispatched
    subprocess_task_handler.SubprocessTaskHandler = InPod
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=given.root)
    logging.disable(logging.INFO)
    pipeline = kfp.components.load_component_from_file(str(path))
    try:
        pipeline(**arguments)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return False
    finally:
        Path(given.root, "steps.json").write_text(json.dumps(cluster.steps))
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("arguments", type=json.loads, default={})
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--claim", default="pipeline-root", help="the volume that is the root")
    parser.add_argument("--service-account", default="default")
    parser.add_argument("--timeout", type=float, default=300, help="of one step, in seconds")
    parser.add_argument("--variable", nargs=2, action="append", default=[], help="as a plugin does")
    given = parser.parse_args()
    return 0 if run(given.file, given.arguments, given) else 1


if __name__ == "__main__":
    raise SystemExit(main())
