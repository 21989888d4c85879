"""A compiled pipeline executed by pods of the tests' cluster: a volume, a service account, a run.

`CLUSTER_SHARED` is a folder that the node has at the same path; default: the tests' own.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import cluster
from support.cluster import kubectl
from support.project import Project

RUNNER = Path(__file__).parents[1] / "cluster" / "run_in_pods.py"
CLAIM = "pipeline-root"
ACCOUNT = "pipeline-runner"


def apply(*objects: Any) -> None:
    items = {"apiVersion": "v1", "kind": "List", "items": objects}
    kubectl("apply", "-f", "-", text=json.dumps(items))


@contextmanager
def room(folder: Path) -> Iterator[tuple[str, Path]]:
    """A namespace with the pipeline's service account, and a folder that is its pipelines' root."""
    with cluster.namespace("pipeline") as name, volume(name, folder) as root:
        kubectl("create", "serviceaccount", ACCOUNT, "-n", name)
        yield name, root


@contextmanager
def volume(namespace: str, folder: Path) -> Iterator[Path]:
    """A folder of this machine as a volume that pods may write to: the pipeline root."""
    root = Path(os.environ.get("CLUSTER_SHARED", folder)) / namespace
    root.mkdir(parents=True)
    root.chmod(0o777)
    size = {"storage": "1Gi"}
    spec = {"accessModes": ["ReadWriteMany"], "storageClassName": "", "volumeName": namespace}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM, "namespace": namespace},
        "spec": {**spec, "resources": {"requests": size}},
    }
    disk = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": namespace},
        "spec": {
            "capacity": size,
            "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": str(root)},
        },
    }
    apply(disk, claim)
    try:
        yield root
    finally:
        kubectl("delete", "persistentvolume", namespace, "--wait=false")


def allow(project: Project, namespace: str) -> None:
    """Apply deploy/rbac as the platform's owner does, for the pipeline's account there."""
    account = project.path / "deploy" / "rbac" / "staging" / "account.yaml"
    before = account.read_text()
    text = before.replace("team-vision", namespace).replace("default-editor", ACCOUNT)
    try:
        account.write_text(re.sub(r"policy: \S+", f"policy: {namespace}", text))
        kubectl("apply", "-k", str(account.parent))
    finally:
        account.write_text(before)


def command(project: Project, namespace: str, root: Path, *options: str) -> list[str]:
    """The runner of the project's compiled training pipeline."""
    arguments = {"revision": "abc1234", "lock": "f00d" * 16, "snapshot": ""}
    return running(project, namespace, root, "build/training.yaml", arguments, *options)


def running(
    project: Project, namespace: str, root: Path, file: str, arguments: Any, *options: str
) -> list[str]:
    """The runner of any of its compiled pipelines."""
    python = str(project.path / ".venv" / "bin" / "python")
    words = [python, str(RUNNER), file, json.dumps(arguments)]
    words += ["--namespace", namespace, "--root", str(root)]
    return [*words, "--service-account", ACCOUNT, *options]
