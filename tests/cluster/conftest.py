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

from support import cluster, engine, flux_cluster, rendering
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
                pinned = {"valueFrom": None} if name.startswith("MODEL_") else {}  # in the base
                each["env"].append({"name": name, "value": value} | pinned)
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


@contextlib.contextmanager
def copied(project: Project, uri: str, folder: Path, name: str = Served.name) -> Iterator[Served]:
    """A copy of its own, for a namespace of its own, with nothing deployed."""
    path = folder / "project"
    ignored = shutil.ignore_patterns(".venv", ".mlops", "__pycache__")
    shutil.copytree(project.path, path, ignore=ignored, symlinks=True)
    (path / ".venv").symlink_to(project.path / ".venv")
    with cluster.namespace("deploy") as namespace:
        copy = Served(Project(path), namespace, uri, name)
        copy.configure(namespace=namespace)
        yield copy


@pytest.fixture
def served(prepared: tuple[Project, str], tmp_path: Path) -> Iterator[Served]:
    with copied(*prepared, tmp_path) as copy:
        yield copy


# What makes and pushes some of a project's images: REGISTRY ARGUMENTS KIND…
PUSH = """
import sys
from blueprint import settings
from blueprint.targets import images
registry, arguments, *kinds = sys.argv[1:]
images.build(settings.load(), arguments.split(), kinds)
images.push(settings.load(), registry, kinds)
"""


@pytest.fixture(scope="session")
def push() -> Callable[..., None]:
    """What has the cluster's registry hold some images, and no others, of a project."""

    def images(project: Project, *kinds: str, arguments: str = "") -> None:
        project.run_python("-c", PUSH, cluster.REGISTRY, arguments, *kinds)

    return images


@pytest.fixture(scope="session")
def sibling(
    template: Path, prepared: tuple[Project, str], push: Callable[..., None]
) -> Callable[..., Project]:
    """What makes another project for the same cluster, MLflow and registry, with only those of its
    images that are named. Where it has the same framework, it deploys the first one's versions."""
    config = prepared[0].path / "config" / "staging.yaml"

    def make(folder: Path, *kinds: str, **answers: Any) -> Project:
        answers = ANSWERS | {"cloud": "on-prem"} | answers
        project = Project(rendering.render(template, folder, **answers))
        rendering.git(project.path, "init", "-q", "-b", "main")
        shutil.copy(config, project.path / "config")
        project.make("setup", timeout=900)
        rendering.commit(project.path, "The project, for this cluster")
        push(project, *kinds, arguments=engine.build_arguments(project.path, kinds[0]))
        return project

    return make


@pytest.fixture(scope="session")
def flux_project(
    sibling: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """The same model in a project whose cluster follows Git."""
    flux_cluster.need_flux()
    folder = tmp_path_factory.mktemp("flux") / "project"
    answers = {"serving_platform": "kubernetes", "gitops": "flux"}
    return sibling(folder, "serving", "pipeline", **answers)


@pytest.fixture
def copy_of(prepared: tuple[Project, str], tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """What copies a project, as `served` is a copy of the first."""
    with contextlib.ExitStack() as stack:
        yield lambda project, *name: stack.enter_context(
            copied(project, prepared[1], tmp_path, *name)
        )


@pytest.fixture
def tunnel() -> Iterator[Callable[[Served, str], str]]:
    """What opens a way from this machine to one of the pods behind a Service; its address."""
    open_ones: list[subprocess.Popen[str]] = []

    def dig(served: Served, service: str = "") -> str:
        command = ["kubectl", "port-forward", f"--namespace={served.namespace}"]
        command += ["--address=127.0.0.1", f"service/{service or served.name}", ":80"]
        open_ones.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        )
        output = open_ones[-1].stdout
        assert output
        [port] = re.findall(r"127.0.0.1:(\d+)", output.readline())
        return f"http://127.0.0.1:{port}"

    yield dig
    for each in open_ones:
        stop(each)


@pytest.fixture
def damaged(prepared: tuple[Project, str]) -> Callable[[str], Any]:
    """Inside, the registry says another hash of that version's files."""
    project, uri = prepared
    code = """
import sys
from mlflow import MlflowClient
client, name = MlflowClient(sys.argv[1], registry_uri=sys.argv[1]), "digit-recognition"
print(client.get_model_version(name, sys.argv[2]).tags["model.files_sha256"])
client.set_model_version_tag(name, sys.argv[2], "model.files_sha256", sys.argv[3])
"""

    @contextlib.contextmanager
    def damage(version: str) -> Iterator[None]:
        before = project.run_python("-c", code, uri, version, "0" * 64).strip()
        try:
            yield
        finally:
            project.run_python("-c", code, uri, version, before)

    return damage


@pytest.fixture(scope="session")
def model(prepared: tuple[Project, str]) -> str:
    """The folder of version 3, where it was trained."""
    [found] = (prepared[0].path / ".mlops" / "store" / "digit-recognition").glob("3-*")
    return str(found)


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
