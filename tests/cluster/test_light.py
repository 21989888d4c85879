"""`make cluster` on a cluster that is there: its parts get ready, a model is deployed to it, and
what goes again is what came. kind and k3d are no part of this: the project tests those calls.
"""

import json
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import cluster, engine, github, manifests, rendering
from support.cluster import kubectl
from support.project import Project, environment, free_port, get, stop

pytestmark = pytest.mark.slow  # it builds an image of MLflow
ANSWERS = {
    "task": "tabular-classification",
    "framework": "sklearn",
    "platform": "kubeflow",
    "serving_platform": "kubernetes",
    "cloud": "on-prem",
    "gitops": "flux",
}
LAX = "gate.champion.margin=0.9 gate.floors.accuracy=0.1"
SPACE = "digit-recognition-light"
LABEL = "light.blueprint/cluster=digit-recognition"
PART = "light.blueprint/part"
PART_OF_KUBEFLOW = "  - pipelines "
QUICK = 150  # seconds for a second time, on a busy machine


@pytest.fixture(scope="module")
def project(
    template: Path, push: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """A project for the cluster at hand: Kubeflow is switched off, for its images are not here, and
    MLflow's image is the one that the project builds."""
    engine.need_engine()
    folder = tmp_path_factory.mktemp("light")
    project = Project(rendering.render(template, folder / "project", **ANSWERS))
    rendering.git(project.path, "init", "-q", "-b", "main")
    project.make("setup", timeout=900)
    config = project.path / "config/light.yaml"
    content = yaml.safe_load(config.read_text())
    content["deploy"]["context"] = cluster.context()
    content["images"]["registry"] = cluster.REGISTRY
    content["registry"]["tracking_uri"] = f"http://127.0.0.1:{free_port()}"
    config.write_text(yaml.safe_dump(content))
    rendering.commit(project.path, "The project, for this cluster")
    with cluster.registry(folder):
        arguments = engine.build_arguments(project.path)
        for kind in ("serving", "tracking"):
            push(project, kind, arguments=arguments)
        images = json.loads((project.path / "build/images.json").read_text())
        switch(project, PART_OF_KUBEFLOW, "  # - pipelines ")
        set_image(project, images["tracking"]["pushed"])
        yield project


def switch(project: Project, old: str, new: str) -> None:
    file = project.path / "infrastructure/light/kustomization.yaml"
    assert f"\n{old}" in file.read_text()
    file.write_text(file.read_text().replace(f"\n{old}", f"\n{new}"))


def set_image(project: Project, reference: str) -> None:
    file = project.path / "infrastructure/light/mlflow/kustomization.yaml"
    content = yaml.safe_load(file.read_text())
    name, _, digest = reference.partition("@")
    content["images"] = [{"name": "mlflow", "newName": name, "digest": digest}]
    file.write_text(yaml.safe_dump(content))


def make(project: Project, *arguments: str, seconds: int = 180, fails: bool = False) -> str:
    """What `make cluster` prints, on the cluster at hand."""
    command = ("cluster", f"CONTEXT={cluster.context()}", f"ARGS=--seconds {seconds}", *arguments)
    done = project.make(*command, check=not fails, timeout=seconds + 240)
    assert bool(done.returncode) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def labelled() -> set[str]:
    """What of the kinds that are applied has the label."""
    kinds = "namespaces,deployments,services,persistentvolumeclaims,roles,rolebindings"
    kinds += ",validatingadmissionpolicies,validatingadmissionpolicybindings"
    found = ("get", kinds, "--all-namespaces", f"--selector={LABEL}", "--output=name")
    return {*kubectl(*found, check=False).split()}


def spaces() -> set[str]:
    return {*kubectl("get", "namespaces", "--output=name").split()}


@pytest.fixture
def clean() -> Iterator[None]:
    """Nothing of it is on the cluster, before and after."""
    assert not labelled(), f"an earlier run left {labelled()}"
    yield
    kubectl("delete", "namespace", SPACE, "--ignore-not-found", check=False)
    kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings"
    kubectl("delete", kinds, f"--selector={LABEL}", check=False)


@pytest.fixture
def volume() -> Iterator[None]:
    """A volume for MLflow where the cluster makes none by itself, as kind and k3d do."""
    if json.loads(kubectl("get", "storageclasses", "--output=json"))["items"]:
        yield
        return
    folder = Path(tempfile.mkdtemp(prefix="light-"))
    folder.chmod(0o777)
    spec: dict[str, Any] = {
        "capacity": {"storage": "5Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": str(folder)},
        "claimRef": {"namespace": SPACE, "name": "mlflow"},
    }
    made = {"apiVersion": "v1", "kind": "PersistentVolume", "spec": spec}
    made["metadata"] = {"name": folder.name}
    kubectl("create", "--filename=-", text=json.dumps(made))
    yield
    kubectl("delete", "persistentvolume", folder.name, "--wait=false")


@pytest.fixture
def forwarded() -> Iterator[Callable[[str], None]]:
    """What runs the `kubectl port-forward` that was printed."""
    started: list[subprocess.Popen[str]] = []

    def run(printed: str) -> None:
        [line] = re.findall(r"^ +(kubectl .*port-forward.*) &$", printed, re.MULTILINE)
        command = shlex.split(line)
        started.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        )
        output = started[-1].stdout
        assert output
        assert "Forwarding from 127.0.0.1" in output.readline()

    yield run
    for each in started:
        stop(each)


def test_a_model_is_deployed_there_and_what_goes_is_what_came(
    project: Project, clean: None, volume: None, forwarded: Callable[[str], None]
) -> None:
    shown = make(project)
    assert re.search(r"^app +– +ready", shown, re.MULTILINE)
    assert re.search(r"^mlflow +3\.17\.2 +ready", shown, re.MULTILINE)
    assert "everything is there" in shown
    assert "\n  make run ENV=light\n" in shown, "without Kubeflow, models are trained here"
    made = labelled()
    there = ("get", "deployment,service,persistentvolumeclaim", f"--namespace={SPACE}")
    versions = kubectl(*there, "--output=jsonpath={.items[*].metadata.resourceVersion}")
    start = time.monotonic()
    make(project)
    assert time.monotonic() - start < QUICK
    assert labelled() == made
    again = kubectl(*there, "--output=jsonpath={.items[*].metadata.resourceVersion}")
    assert again == versions, "a second time changes nothing"

    forwarded(shown)
    project.make("run", "ENV=light", f"ARGS={LAX}", timeout=600)
    project.make("deploy", "ENV=light", timeout=300)
    path = "services/digit-recognition:http/proxy/v1/models/digit-recognition"
    answer = json.loads(kubectl("get", "--raw", f"/api/v1/namespaces/{SPACE}/{path}"))
    assert answer["model_version_status"][0]["version"] == "1"
    assert "It is the registry's champion" in project.make("status", "ENV=light").stdout
    # MLflow hands out what is on its volume, and pods got it by the name that they know.
    config = yaml.safe_load((project.path / "config/light.yaml").read_text())
    assert get(f"{config['registry']['tracking_uri']}/health")[0] == 200

    kubectl("create", "configmap", "beside", "--namespace=default")
    try:
        asked = subprocess.run(
            ["make", "cluster", f"CONTEXT={cluster.context()}", "DOWN=1"],
            cwd=project.path,
            env=environment(),
            input="n\n",
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert asked.returncode
        assert f"Namespace {SPACE} and everything in it" in asked.stdout
        assert labelled() == made, "who says no, loses nothing"
        make(project, "DOWN=1", "YES=1")
        assert not labelled()
        assert f"namespace/{SPACE}" not in spaces()
        assert kubectl("get", "configmap", "beside", "--namespace=default")
    finally:
        kubectl("delete", "configmap", "beside", "--namespace=default")
    assert "has nothing of `make cluster`" in make(project, "DOWN=1", "YES=1", fails=True)


def test_what_does_not_get_ready_is_named_within_the_time(
    project: Project, clean: None, volume: None
) -> None:
    file = project.path / "infrastructure/light/mlflow/kustomization.yaml"
    before = file.read_text()
    set_image(project, f"{cluster.REGISTRY}/nobody/nothing@sha256:{'0' * 64}")
    try:
        start = time.monotonic()
        shown = make(project, seconds=30, fails=True)
        assert time.monotonic() - start < 30 + QUICK
        assert re.search(r"^mlflow +3\.17\.2 +waiting +0 of 1 ready; pod", shown, re.MULTILINE)
        said = " ".join(shown.split())
        assert "nobody/nothing" in said
        assert "cannot be pulled" in said
        assert "not there: mlflow" in said
    finally:
        file.write_text(before)
        make(project, "DOWN=1", "YES=1")


def test_what_others_have_made_there_is_left_alone(project: Project, clean: None) -> None:
    kubectl("create", "namespace", SPACE)
    error = make(project, fails=True)
    assert f"error: Namespace {SPACE} is on this cluster, and not of this project's" in error
    assert kubectl("get", "deployments", f"--namespace={SPACE}", "--output=name") == ""


def test_the_api_server_takes_all_of_kubeflow(
    project: Project, clean: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its images are not here, so it is no more than that: nothing starts."""
    for name, value in github.variables().items():
        monkeypatch.setenv(name, value)
    switch(project, "  # - pipelines ", PART_OF_KUBEFLOW)
    try:
        objects = manifests.objects(manifests.build(project.path / "infrastructure/light"))
    finally:
        switch(project, PART_OF_KUBEFLOW, "  # - pipelines ")
    objects = [each for each in objects if each["metadata"]["labels"][PART] == "pipelines"]
    assert len(objects) > 70
    new = "namespace/kubeflow" not in spaces()
    if new:
        kubectl("create", "namespace", "kubeflow")  # what is in it, is checked in it
    try:
        took = kubectl(
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "--filename=-",
            text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
        )
    finally:
        if new:
            kubectl("delete", "namespace", "kubeflow", "--wait=false")
    assert len(took.splitlines()) == len(objects)
