"""A project's own model as an InferenceService: real images, MLflow that hands the files out,
KServe's real controller, a real gateway."""

import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.cluster import kubectl
from support.kserve import apply_storage, need_kserve, settled
from support.load import load
from support.project import Project, environment
from support.served import find_gateway

pytestmark = pytest.mark.slow
CLIENT = Path(__file__).parents[1] / "e2e" / "clients" / "kserve_client.py"


@pytest.fixture(scope="module")
def project(
    sibling: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The same model in a project for KServe, whose cluster knows how to fetch it."""
    need_kserve()
    answers = {"serving_platform": "kserve", "serving_extras": "v2"}
    project = sibling(tmp_path_factory.mktemp("kserve") / "project", "serving", **answers)
    storage = project.path / "deploy" / "storage-container"
    apply_storage(project, storage)
    yield project
    kubectl("delete", "-k", str(storage))


@pytest.fixture
def service(project: Project, copy_of: Callable[..., Any]) -> Iterator[Any]:
    copy = copy_of(project)
    yield copy
    everyone = ("inferenceservice", "--all", f"--namespace={copy.namespace}")
    kubectl("delete", *everyone, "--timeout=60s")


@pytest.fixture
def host(service: Any) -> str:
    """The host name by which the gateway knows it: KServe's own."""
    return f"{service.name}-{service.namespace}.example.com"


@pytest.fixture
def serves(service: Any, host: str) -> Callable[[], str]:
    """The version that the gateway gives."""

    def ask() -> str:
        connection = http.client.HTTPConnection(find_gateway()["address"], timeout=10)
        connection.request("GET", f"/v1/models/{service.name}", headers={"Host": host})
        answer = connection.getresponse().read()
        return str(json.loads(answer)["model_version_status"][0]["version"])

    return ask


def test_versions_come_and_go_without_a_lost_request(
    service: Any, host: str, instance: str, model: str
) -> None:
    gateway = find_gateway()["address"]
    shown = service.make("deploy")
    assert f"InferenceService {service.name} is new" in shown
    assert re.search(r"version 3 \(\w+\) in image \w+ answers at http://\S+ after", shown)
    assert "It is the registry's champion" in service.make("status")
    settled(gateway, host, service.name)
    options = f"ARGS=--host {host} --model-dir {model}"
    checked = service.make("conformance", f"URL=http://{gateway}", options)
    assert ", 0 failed" in checked
    assert "ok    V2 64 rows in bytes" in checked

    body = json.dumps({"instances": [json.loads(instance)]}).encode()
    with load(gateway, host, f"/v1/models/{service.name}:predict", body) as clients:
        service.make("deploy", "VERSION=1")
        try:
            assert "version 2 is the champion again" in service.make("rollback")
        finally:
            service.make("promote", "VERSION=3")  # the registry is every test's
        assert "version 3 is the registry's champion" in said(service)
        time.sleep(10)  # the old pod has gone by then
    print(f"  {clients.total} requests: {dict(clients.answers)}")
    assert clients.failed() == 0, clients.failures[:5]
    assert {*clients.by_version()} == {"3", "1", "2"}


def test_the_endpoint_is_there_before_the_first_model(service: Any, host: str) -> None:
    overlay = service.project.path / "deploy" / "overlays" / "staging"
    kubectl("apply", f"--namespace={service.namespace}", "-k", str(overlay))
    shown = said(service)
    assert re.search(r"pinned +no version", shown)
    assert "no version answers: `make deploy` puts the champion there" in " ".join(shown.split())
    assert " answers at http://" in service.make("deploy")
    settled(find_gateway()["address"], host, service.name)


def said(service: Any) -> str:
    """What `make status` shows where the champion is not what is served."""
    found = service.project.make("status", "ENV=staging", check=False)
    assert found.returncode
    return found.stdout


def test_kserves_own_client_gets_the_predictions(
    service: Any, model: str, tunnel: Callable[[Any, str], str]
) -> None:
    service.make("deploy")
    url = tunnel(service, f"{service.name}-stable-predictor")
    command = [sys.executable, "-m", "uv", "run", "--quiet", "--no-project", "--script", CLIENT]
    done = subprocess.run(
        [*command, url, service.name, model],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=300,
    )
    assert "agrees" in done.stdout, done.stderr


def test_what_cannot_be_served_leaves_the_version_before(
    service: Any, project: Project, serves: Callable[[], str], damaged: Callable[[str], Any]
) -> None:
    service.make("deploy", "VERSION=1")
    with damaged("2"):
        error = service.fails("deploy", "VERSION=2")
    assert "storage-initializer failed" in error
    assert "the files are not those that were registered" in error
    assert re.search(r"version 1 \(\w+\) serves on$", error)

    storage = str(project.path / "deploy" / "storage-container")
    kubectl("delete", "-k", storage)
    try:
        error = service.fails("deploy", "VERSION=2")
    finally:
        kubectl("apply", "-k", storage)
    assert "KServe has no ClusterStorageContainer that reads mlflow-artifacts:" in error
    assert re.search(r"version 1 \(\w+\) serves on$", error)

    more = {"op": "replace", "path": "/spec/predictor/minReplicas", "value": 9}
    service.overlay(more, kind="InferenceService")
    error = service.fails("deploy", "VERSION=2")
    assert "MinReplicas" in error
    assert serves() == "1"
