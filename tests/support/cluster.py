"""A Kubernetes cluster for the tests: the one of KUBECONFIG's current context.

CLUSTER_REGISTRY is a registry that its nodes and this machine know by the same name, CLUSTER_HOST
this machine's address as pods reach it. tests/cluster/kind.sh makes all of it.
"""

import contextlib
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest

from support.project import get

REQUIRED = "REQUIRE_CLUSTER"  # set where nothing may be skipped for want of one: .ci/run
REGISTRY = os.environ.get("CLUSTER_REGISTRY", "localhost:5000")
INSTALL = "tests/cluster/kind.sh makes one and prints what to export"


def lacking(what: str, install: str = INSTALL) -> NoReturn:
    """Skip a test for want of a part; fail it where every part must be there."""
    text = f"{what}: {install}"
    if os.environ.get(REQUIRED):
        pytest.fail(text)
    pytest.skip(text)


def kubectl(
    *arguments: str, text: str | None = None, check: bool = True, timeout: float = 120
) -> str:
    """What `kubectl ARGUMENTS` prints; an AssertionError with its words when it fails."""
    command = ["kubectl", *arguments]
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=timeout, check=False
    )
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout.strip() if done.returncode == 0 else ""


def get_json(*arguments: str) -> dict[str, Any]:
    """An object as kubectl reads it."""
    found: dict[str, Any] = json.loads(kubectl("get", *arguments, "--output=json"))
    return found


@cache
def unusable() -> str:
    """What is wrong with the cluster, "" when nothing is."""
    if not shutil.which("kubectl"):
        return "there is no kubectl"
    if not os.environ.get("KUBECONFIG"):
        return "KUBECONFIG names no cluster"
    return "" if kubectl("version", check=False, timeout=30) else "the cluster does not answer"


def need_cluster() -> None:
    if reason := unusable():
        lacking(reason)


def context() -> str:
    return kubectl("config", "current-context")


def host() -> str:
    """This machine's address, as pods reach it: CLUSTER_HOST, or the first node's own, which is
    right where the node is this machine."""
    addresses = get_json("nodes")["items"][0]["status"]["addresses"]
    node = next(each["address"] for each in addresses if each["type"] == "InternalIP")
    return os.environ.get("CLUSTER_HOST", node)


@contextlib.contextmanager
def namespace(prefix: str) -> Iterator[str]:
    """A namespace with the rules of restricted pods, deleted afterwards."""
    name = f"{prefix}-{uuid.uuid4().hex[:6]}"
    kubectl("create", "namespace", name)
    try:
        kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[str]:
    """The registry that the cluster pulls from, started here where it is this machine's."""
    if get(f"http://{REGISTRY}/v2/")[0] == 200:
        yield REGISTRY
        return
    program = shutil.which("docker-registry") or shutil.which("registry")
    if not program or not REGISTRY.startswith("localhost:"):
        lacking(f"no registry answers at {REGISTRY}", "apt-get install docker-registry")
    settings = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": REGISTRY.replace("localhost", "127.0.0.1")},
    }
    (folder / "config.yml").write_text(json.dumps(settings))
    with (folder / "log").open("w") as log:
        command = [str(program), "serve", str(folder / "config.yml")]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(200):
            if get(f"http://{REGISTRY}/v2/", timeout=0.1)[0] == 200:
                break
        yield REGISTRY
    finally:
        process.terminate()
        process.wait(20)
