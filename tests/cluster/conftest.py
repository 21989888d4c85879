"""A generated project whose model is served on a real cluster; its owner's make targets do it.

Without a cluster every test here is skipped, with the line that says how to get one; where
REQUIRE_CLUSTER is set, it fails. Each test has a namespace of its own.
"""

import contextlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import cluster, engine, rendering
from support.cluster import kubectl
from support.project import Project, environment, free_port, get, stop
from support.recording import (  # noqa: F401  # hooks, for `nox -s cluster -- --write`
    pytest_addoption,
    pytest_runtest_logreport,
    pytest_sessionfinish,
)

ANSWERS = {
    "task": "tabular-classification",
    "framework": "sklearn",
    "platform": "kubeflow",
    "batch_scoring": True,
}
LAX = "gate.champion.margin=0.9 gate.floors.accuracy=0.1"
SEEDS = (31, 32, 33)  # of the versions 1, 2 and 3


@dataclass(frozen=True)
class Served:
    """A project with three versions and pushed images, deployed from a folder of its own."""

    project: Project
    namespace: str
    tracking_uri: str
    name: str = "digit-recognition"

    def make(self, *arguments: str, timeout: float = 240) -> str:
        """`make ARGUMENTS ENV=staging`; what it printed. It must succeed."""
        return self.project.make(*arguments, "ENV=staging", timeout=timeout).stdout

    def fails(self, *arguments: str, timeout: float = 240) -> str:
        """The one line with which it fails."""
        start = time.monotonic()
        done = self.project.make(*arguments, "ENV=staging", check=False, timeout=timeout)
        print(f"  {time.monotonic() - start:.1f} s: {done.stderr.splitlines()[:1]}")
        assert done.returncode != 0, done.stdout
        lines = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("error: ")
        return lines[0]

    def configure(self, **deploy: Any) -> None:
        """Change the section `deploy` of config/staging.yaml."""
        file = self.project.path / "config" / "staging.yaml"
        content = yaml.safe_load(file.read_text())
        content["deploy"] |= deploy
        file.write_text(yaml.safe_dump(content))

    def overlay(self, *changes: dict[str, Any], kind: str = "Deployment") -> None:
        """Add a JSON patch to the overlay, as an owner would."""
        file = self.project.path / "deploy" / "overlays" / "staging" / "kustomization.yaml"
        content = yaml.safe_load(file.read_text())
        content["patches"].append({"target": {"kind": kind}, "patch": json.dumps(changes)})
        file.write_text(yaml.safe_dump(content))

    def set_variable(self, container: str, name: str, value: str) -> None:
        """Give a container of the overlay another environment, as an owner would."""
        file = self.project.path / "deploy" / "overlays" / "staging" / "deployment.yaml"
        content = yaml.safe_load(file.read_text())
        spec = content["spec"]["template"]["spec"]
        for each in [*spec["initContainers"], *spec["containers"]]:
            if each["name"] == container:
                each["env"].append({"name": name, "value": value})
        file.write_text(yaml.safe_dump(content))

    def evict(self, pod: str) -> bool:
        """Whether the budget lets a pod go, as `kubectl drain` asks."""
        review = {"apiVersion": "policy/v1", "kind": "Eviction"}
        review["metadata"] = {"name": pod, "namespace": self.namespace}  # type: ignore[assignment]
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        command = ("create", "--raw", path, "--filename=-")
        return bool(kubectl(*command, text=json.dumps(review), check=False))

    def settles_on(self, version: str) -> None:
        """All pods that are left are ready, and of that version."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            pods = self.pods()
            pinned = {p["metadata"]["annotations"]["model.blueprint/version"] for p in pods}
            if pinned == {version} and all(map(ready, pods)):
                return
            time.sleep(1)
        raise AssertionError(pods)

    def answers(self) -> str | None:
        """The version that the Service answers, None where it does not."""
        path = f"services/{self.name}:http/proxy/v1/models/{self.name}"
        text = kubectl("get", "--raw", f"/api/v1/namespaces/{self.namespace}/{path}", check=False)
        return json.loads(text)["model_version_status"][0]["version"] if text else None

    def pods(self) -> list[dict[str, Any]]:
        label = f"--selector=app.kubernetes.io/name={self.name}"
        items = cluster.get_json("pods", label, f"--namespace={self.namespace}")["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]


def ready(pod: dict[str, Any]) -> bool:
    return any(
        each["type"] == "Ready" and each["status"] == "True" for each in pod["status"]["conditions"]
    )


@pytest.fixture(scope="session", autouse=True)
def there_is_a_cluster() -> None:
    cluster.need_cluster()


def pytest_runtest_logstart(location: tuple[str, int | None, str]) -> None:
    """These tests take seconds and more: say which one is at work."""
    print(f"\n  {location[2]} ", end="", flush=True)


@contextlib.contextmanager
def tracking(project: Project, folder: Path) -> Iterator[str]:
    """An MLflow server that hands its artifacts out, by an address that pods reach."""
    port = free_port()
    store = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"]
    store += ["--artifacts-destination", str(folder / "artifacts"), "--allowed-hosts", "*"]
    command = ["uv", "run", "--quiet", "--no-sync", "--project", str(project.path), "--with"]
    command += ["mlflow~=3.17", "mlflow", "server", "--host", "0.0.0.0", "--port", str(port)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, *store],
            env=environment(),
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + 240
        while get(f"http://127.0.0.1:{port}/health")[0] != 200:
            assert process.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.2)
        yield f"http://{cluster.host()}:{port}"
    finally:
        stop(process)


@pytest.fixture(scope="session")
def prepared(
    there_is_a_cluster: None, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, str]]:
    """The project with three versions in a real MLflow, the last one champion, and its images in a
    registry; and the address of that MLflow."""
    engine.need_engine()
    folder = tmp_path_factory.mktemp("cluster")
    answers = {**ANSWERS, "serving_platform": "kubernetes", "cloud": "on-prem"}
    project = Project(rendering.render(template, folder / "project", **answers))
    rendering.git(project.path, "init", "-q", "-b", "main")
    project.make("setup", timeout=900)
    with tracking(project, folder) as uri, cluster.registry(folder) as registry:
        content = {
            "registry": {"tracking_uri": uri},
            "images": {"registry": registry},
            "deploy": {"context": cluster.context(), "namespace": "c-none", "timeout_seconds": 60},
        }
        (project.path / "config" / "staging.yaml").write_text(yaml.safe_dump(content))
        let_out(project, uri)
        rendering.commit(project.path, "The project, for this cluster")
        for seed in SEEDS:
            registry_is = f"registry.tracking_uri={uri} registry.artifact_location=null"
            project.make("run", f"ARGS={registry_is} train.seed={seed} {LAX}")
        arguments = engine.build_arguments(project.path)
        project.make("images", f"ARGS={arguments} --progress=plain", timeout=1800)
        project.make("push", "ENV=staging", timeout=600)
        yield project, uri


def let_out(project: Project, uri: str) -> None:
    """MLflow is outside the cluster, at a port of its own: the policy, where one is in force, lets
    pods ask it, by a patch as docs/manifests.md has them."""
    address, _, port = uri.removeprefix("http://").rpartition(":")
    rule = {"to": [{"ipBlock": {"cidr": f"{address}/32"}}], "ports": [{"port": int(port)}]}
    change = [{"op": "add", "path": "/spec/egress/-", "value": rule}]
    file = project.path / "deploy" / "overlays" / "staging" / "kustomization.yaml"
    content = yaml.safe_load(file.read_text())
    content["patches"].append({"target": {"kind": "NetworkPolicy"}, "patch": json.dumps(change)})
    file.write_text(yaml.safe_dump(content))


@pytest.fixture
def served(prepared: tuple[Project, str], tmp_path: Path) -> Iterator[Served]:
    """A copy of its own, for a namespace of its own, with nothing deployed."""
    project, uri = prepared
    path = tmp_path / "project"
    ignored = shutil.ignore_patterns(".venv", ".mlops", "__pycache__")
    shutil.copytree(project.path, path, ignore=ignored, symlinks=True)
    (path / ".venv").symlink_to(project.path / ".venv")
    with cluster.namespace("deploy") as namespace:
        copy = Served(Project(path), namespace, uri)
        copy.configure(namespace=namespace)
        yield copy


@pytest.fixture(scope="session")
def instance(prepared: tuple[Project, str]) -> str:
    """A row as clients send it, JSON."""
    code = """
import json
from blueprint.model import Model
from blueprint.registry import store
model = Model(store.current(".mlops/store", "digit-recognition").folder)
print(json.dumps({name: array[0].tolist() for name, array in model.example().items()}))
"""
    return prepared[0].run_python("-c", code).strip()


@pytest.fixture(scope="session")
def digest(prepared: tuple[Project, str]) -> Callable[[str], str]:
    """The digest of an image that was pushed, by its kind."""
    images = json.loads((prepared[0].path / "build" / "images.json").read_text())
    return lambda kind: re.sub(".*@", "", images[kind]["pushed"])
