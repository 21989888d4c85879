"""infrastructure/light of a project: what `make cluster` applies, and how much memory that is."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import flux, github, manifests
from support.manifests import Object
from support.rendering import Renderings

CLOUD = "on-prem"  # nothing of it differs by cloud, nor by what is observed
ROWS = [row for row in flux.answers() if row["cloud"] == CLOUD and not row["observability"]]
BUDGET = 4096  # MiB, for Kubeflow Pipelines, MLflow and the model together
OWNER, PART, GENERATED = (f"light.blueprint/{each}" for each in ("cluster", "part", "generated"))
REMOTE = "https://github.com/kubeflow/pipelines//manifests/kustomize/"
V1 = {
    "cache-deployer-deployment",
    "cache-server",
    "ml-pipeline-viewer-crd",
    "ml-pipeline-visualizationserver",
}


@pytest.fixture(scope="module", params=ROWS, ids=lambda row: row["serving_platform"])
def project(request: pytest.FixtureRequest, renderings: Renderings) -> Path:
    return renderings(**request.param)


@pytest.fixture(scope="module")
def own(project: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """What is built without the part that GitHub has: its line is switched off."""
    folder = tmp_path_factory.mktemp("light")
    for name in ("infrastructure", "deploy"):
        shutil.copytree(project / name, folder / name)
    file = folder / "infrastructure/light/kustomization.yaml"
    text = file.read_text()
    assert text.count("\n  - pipelines ") == 1
    file.write_text(text.replace("\n  - pipelines ", "\n  # - pipelines "))
    return manifests.objects(manifests.build(file.parent))


def pipelines(project: Path) -> dict[str, Any]:
    path = project / "infrastructure/light/pipelines/kustomization.yaml"
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def mebibytes(quantity: str) -> int:
    found = re.fullmatch(r"(\d+)(Mi|Gi)", quantity)
    assert found, quantity
    return int(found[1]) * {"Mi": 1, "Gi": 1024}[found[2]]


def requested(objects: list[Object]) -> dict[str, int]:
    """MiB of memory by Deployment; each container must ask for some."""
    found = {}
    for each in objects:
        if each["kind"] == "Deployment":
            containers = each["spec"]["template"]["spec"]["containers"]
            asked = [mebibytes(c["resources"]["requests"]["memory"]) for c in containers]
            found[each["metadata"]["name"]] = sum(asked) * each["spec"].get("replicas", 1)
    return found


def shrunk(project: Path) -> dict[str, int]:
    """What the patches ask for, by Deployment."""
    found = {}
    for patch in pipelines(project)["patches"]:
        for change in yaml.safe_load(patch["patch"]):
            if isinstance(change, dict) and change["path"].endswith("/resources"):
                memory = change["value"]["requests"]["memory"]
                found[patch["target"]["name"]] = mebibytes(memory)
    return found


def test_the_page_says_how_much_memory_it_is_and_that_is_within_the_budget(
    project: Path, own: list[Object]
) -> None:
    page = (project / "docs/light-cluster.md").read_text()
    [mlflow] = requested(own).values()
    model = [
        requested([each])["digit-recognition"]
        for each in manifests.objects(manifests.build(project / "deploy/overlays/light"))
        if each["kind"] == "Deployment"
    ] or [256]  # KServe's Deployment is made of the same numbers
    together = sum(shrunk(project).values()) + mlflow + model[0]
    assert f"| {sum(shrunk(project).values())} MiB |\n" in page
    assert re.search(rf"`mlflow` .*\| {mlflow} MiB \|", page)
    assert re.search(rf"one pod of the model.*\| {model[0]} MiB \|", page)
    assert re.search(rf"together \| \| {together} MiB \|", page)
    assert together + model[0] <= BUDGET, "with a second pod while a new version comes"


def test_every_object_is_labelled_and_in_a_namespace_of_its_own(own: list[Object]) -> None:
    for each in own:
        assert each["metadata"]["labels"][OWNER] == "digit-recognition", each
        assert each["metadata"]["labels"][PART] in ("app", "mlflow")
        if "namespace" in each["metadata"]:
            assert each["metadata"]["namespace"] == "digit-recognition-light"
    kinds = {each["kind"] for each in own}
    assert {"Namespace", "Deployment", "Service", "PersistentVolumeClaim", "RoleBinding"} <= kinds
    assert not kinds & {"HelmRelease", "Kustomization", "ExternalSecret", "Certificate", "Gateway"}


def test_names_and_addresses_agree(project: Path, own: list[Object]) -> None:
    """config/light.yaml, the overlay, the Makefile and what is applied name the same things."""
    config = yaml.safe_load((project / "config/light.yaml").read_text())
    [space] = [each["metadata"]["name"] for each in own if each["kind"] == "Namespace"]
    assert config["deploy"]["namespace"] == space
    assert "gitops" not in config
    [service] = [each for each in own if each["kind"] == "Service"]
    address = f"http://{service['metadata']['name']}.{space}:{service['spec']['ports'][0]['port']}"
    assert f"TRACKING_URI ?= {address}\n" in (project / "Makefile").read_text()
    overlay = manifests.build(project / "deploy/overlays/light")
    assert (address in overlay) == ("kind: Deployment" in overlay)
    [binding] = [each for each in own if each["kind"] == "RoleBinding"]
    [who] = binding["subjects"]
    account = f"system:serviceaccount:{who['namespace']}:{who['name']}"
    assert account == config["deploy"]["pipeline_account"]


def test_it_is_the_same_installation_as_production_has(project: Path) -> None:
    services = project / "infrastructure/services/pipelines"
    light = project / "infrastructure/light/pipelines"
    assert (light / "config.json").read_text() == (services / "config.json").read_text()
    source = yaml.safe_load((services / "source.yaml").read_text())
    tag = source["spec"]["ref"]["tag"]
    content = pipelines(project)
    paths = [f"{REMOTE}{path}?ref={tag}&timeout=5m" for path in _paths(services)]
    assert content["resources"] == paths
    assert content["labels"][0]["pairs"]["light.blueprint/version"] == tag
    patches = [each for each in content["patches"] if each["target"]["kind"] == "Deployment"]
    theirs = yaml.safe_load((services / "pipelines.yaml").read_text())["spec"]["patches"]
    for each in theirs:
        if each["target"]["kind"] == "Deployment":
            assert each in patches, each["target"]


def _paths(services: Path) -> list[str]:
    files = ("crds.yaml", "pipelines.yaml")
    found = [yaml.safe_load((services / file).read_text())["spec"]["path"] for file in files]
    return [each.removeprefix("./manifests/kustomize/") for each in found]


def test_kubeflow_as_it_is_built_asks_for_what_the_page_says(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in github.variables().items():
        monkeypatch.setenv(name, value)
    objects = manifests.objects(manifests.build(project / "infrastructure/light"))
    asked = requested(objects)
    assert {"mlflow", *shrunk(project)} == asked.keys(), "each Deployment, and no other"
    assert {name: asked[name] for name in shrunk(project)} == shrunk(project)
    assert not V1 & asked.keys()
    services = {each["metadata"]["name"] for each in objects if each["kind"] == "Service"}
    assert "ml-pipeline-visualizationserver" in services, "the API server ends without it"
    made = {
        each["metadata"]["name"]: (each["metadata"]["annotations"][GENERATED], each)
        for each in objects
        if each["kind"] == "Secret"
    }
    assert {name: keys for name, (keys, _) in made.items()} == {
        "mysql-secret": "password",
        "mlpipeline-minio-artifact": "accesskey,secretkey",
    }
    assert made["mysql-secret"][1]["stringData"] == {"username": "root"}
    text = json.dumps(objects)
    assert "minio123" not in text
    assert "MYSQL_ALLOW_EMPTY_PASSWORD" not in text
    for each in objects:
        assert each["metadata"]["labels"][OWNER] == "digit-recognition", each["metadata"]["name"]
