"""What deploy/ builds is accepted by a real API server, and holds the pipeline to the pin."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import cluster, manifests
from support.cluster import kubectl
from support.rendering import Renderings

NAME = "digit-recognition"
ACCOUNT = "default-editor"
KSERVE = "https://kserve.github.io/website/docs/admin-guide/kubernetes-deployment installs KServe"
GATEWAY = "https://gateway-api.sigs.k8s.io/guides/getting-started installs the Gateway API"
ROWS = [row for row in manifests.answers() if row["cloud"] == "azure" or "serving_extras" in row]


def title(row: dict[str, Any]) -> str:
    return "-".join(str(value) for key, value in row.items() if key != "platform")


@pytest.fixture
def namespace() -> Iterator[str]:
    cluster.need_cluster()
    with cluster.namespace("manifests") as name:
        yield name


def knows(resource: str, install: str) -> None:
    """Skip without that custom resource, or fail where nothing may be skipped."""
    if not kubectl("get", "crd", resource, "--ignore-not-found", "--output=name"):
        cluster.lacking(f"the cluster does not know {resource}", install)


def dry_run(text: str) -> list[str]:
    """What the API server would have done, a line each; an AssertionError if it rejects one."""
    command = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-")
    return kubectl(*command, text=text).splitlines()


@pytest.mark.parametrize("answers", ROWS, ids=title)
def test_the_api_server_accepts_all(
    answers: dict[str, Any], renderings: Renderings, namespace: str, tmp_path: Path
) -> None:
    """Every overlay, with every component, and what is applied beside them."""
    project = renderings(**answers)
    known = manifests.components(project)
    if answers["serving_platform"] == "kserve":
        knows("inferenceservices.serving.kserve.io", KSERVE)
    if any(each.name == "httproute" for each in known):
        knows("httproutes.gateway.networking.k8s.io", GATEWAY)
    for environment in ("staging", "production"):
        for number, taken in enumerate([[], *([each] for each in known)]):
            folder = tmp_path / f"{environment}{number}"
            objects = manifests.released(project, folder, environment, taken, namespace)
            assert len(dry_run(yaml.safe_dump_all(objects))) == len(objects)
        rbac = access(project, environment, namespace)
        assert len(dry_run(rbac)) == len(manifests.objects(rbac))
    storage = project / "deploy" / "storage-container"
    if storage.exists():
        assert dry_run(manifests.build(storage))


def access(project: Path, environment: str, namespace: str) -> str:
    """What whoever runs the cluster applies, for that namespace."""
    text = manifests.build(project / "deploy" / "rbac" / environment)
    text = text.replace("team-vision", namespace)
    return text.replace(f"{NAME}-{environment}", f"{NAME}-{namespace}")


@pytest.fixture
def served(renderings: Renderings, namespace: str, tmp_path: Path) -> Iterator[str]:
    """A namespace with the Deployment, whose pods need not run, and the pipeline's rights there."""
    project = renderings(platform="kubeflow", serving_platform="kubernetes")
    objects = manifests.released(project, tmp_path / "released", "staging", [], namespace)
    kubectl("apply", "--server-side", "--filename=-", text=yaml.safe_dump_all(objects))
    kubectl("create", "serviceaccount", ACCOUNT, f"--namespace={namespace}")
    rules = access(project, "staging", namespace)
    kubectl("apply", "--server-side", "--filename=-", text=rules)
    try:
        settle(namespace)
        yield namespace
    finally:
        kubectl("delete", "--wait=false", "--filename=-", text=rules)


def settle(namespace: str) -> None:
    """Wait until the policy is in force: the API server reads it when it gets to it."""
    for _ in range(60):
        if "denied" in patch(namespace, {"spec": {"replicas": 7}}, dry=True):
            return
        time.sleep(0.5)
    raise AssertionError("the policy is not in force after 30 s")


def patch(namespace: str, change: Any, kind: str = "strategic", dry: bool = False) -> str:
    """What the API server says to the pipeline's account; "" where it accepts the change."""
    command = ["kubectl", "patch", "deployment", NAME, f"--namespace={namespace}"]
    command += [f"--as=system:serviceaccount:{namespace}:{ACCOUNT}", f"--type={kind}"]
    command += [f"--patch={json.dumps(change)}", *(["--dry-run=server"] if dry else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else done.stderr


def pod(**metadata: Any) -> dict[str, Any]:
    return {"spec": {"template": {"metadata": metadata}}}


def container(**values: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "server", **values}]}}}}


REJECTED = {
    "image": (container(image="registry.example.com/other@sha256:" + "d" * 64), "not the pods"),
    "command": (container(command=["sh"]), "not the pods"),
    "environment": (container(env=[{"name": "MLOPS_ENV", "value": "other"}]), "not the pods"),
    "account": ({"spec": {"template": {"spec": {"serviceAccountName": "x"}}}}, "not the pods"),
    "replicas": ({"spec": {"replicas": 7}}, "rolled out"),
    "strategy": ({"spec": {"minReadySeconds": 0}}, "rolled out"),
    "paused": ({"spec": {"paused": True}}, "rolled out"),
    "other annotation": (pod(annotations={"other": "1"}), "model.blueprint/version"),
    "pod label": (pod(labels={"other": "1"}), "model.blueprint/version"),
    "own label": ({"metadata": {"labels": {"other": "1"}}}, "not the Deployment's"),
    "finalizer": ({"metadata": {"finalizers": ["example.com/x"]}}, "not the Deployment's"),
    "no number": (pod(annotations={"model.blueprint/version": "x"}), "SHA-256"),
    "no hash": (pod(annotations={"model.blueprint/sha256": "abc"}), "SHA-256"),
}


def test_the_pipeline_changes_the_version_and_nothing_else(served: str) -> None:
    pins = {"version": "7", "sha256": "e" * 64, "uri": "s3://models/7"}
    change = pod(annotations={f"model.blueprint/{key}": value for key, value in pins.items()})
    assert not patch(served, change)
    found = cluster.get_json("deployment", NAME, f"--namespace={served}")
    annotations = found["spec"]["template"]["metadata"]["annotations"]
    assert annotations["model.blueprint/version"] == "7"
    for name, (forbidden, why) in REJECTED.items():
        said = patch(served, forbidden)
        assert "denied request" in said, (name, said)
        assert why in said, (name, said)
    after = cluster.get_json("deployment", NAME, f"--namespace={served}")
    assert after["spec"] == found["spec"]


CAN = {
    ("get", f"deployments.apps/{NAME}"): True,
    ("patch", f"deployments.apps/{NAME}"): True,
    ("list", "pods"): True,
    ("watch", "pods"): True,
    ("list", "events"): True,
    ("get", "deployments.apps/other"): False,
    ("patch", "deployments.apps/other"): False,
    ("list", "deployments.apps"): False,
    ("create", "deployments.apps"): False,
    ("delete", f"deployments.apps/{NAME}"): False,
    ("update", f"deployments.apps/{NAME}"): False,
    ("patch", f"deployments.apps/{NAME} --subresource=scale"): False,
    ("create", "pods"): False,
    ("delete", "pods"): False,
    ("create", "pods --subresource=exec"): False,
    ("get", "pods --subresource=log"): False,
    ("get", "secrets"): False,
    ("get", "configmaps"): False,
    ("patch", "services"): False,
    ("create", "rolebindings"): False,
    ("escalate", "roles"): False,
}


def test_what_the_pipelines_account_can_do(served: str) -> None:
    who = f"--as=system:serviceaccount:{served}:{ACCOUNT}"
    for (verb, what), allowed in CAN.items():
        command = ("auth", "can-i", verb, *what.split(), who, f"--namespace={served}")
        assert (kubectl(*command, check=False) == "yes") == allowed, (verb, what)
        elsewhere = ("auth", "can-i", verb, *what.split(), who, "--namespace=default")
        assert kubectl(*elsewhere, check=False) != "yes", (verb, what)
