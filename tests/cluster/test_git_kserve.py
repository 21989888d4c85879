"""A model that KServe serves and Git decides: Flux's real controllers, KServe's real controller, a
real gateway."""

import http.client
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from support import flux_cluster, rendering
from support.cluster import get_json, kubectl
from support.flux_cluster import Repository
from support.kserve import apply_storage, need_kserve, settled
from support.project import Project
from support.served import find_gateway

pytestmark = pytest.mark.slow
RELEASED = "deploy/released/staging/kustomization.yaml"


@pytest.fixture(scope="module")
def project(
    sibling: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    need_kserve()
    flux_cluster.need_flux()
    answers = {"serving_platform": "kserve", "gitops": "flux"}
    made = sibling(tmp_path_factory.mktemp("kserve") / "project", "serving", **answers)
    storage = made.path / "deploy" / "storage-container"
    apply_storage(made, storage)
    yield made
    kubectl("delete", "-k", str(storage))


@pytest.fixture
def service(project: Project, copy_of: Callable[..., Any]) -> Any:
    return copy_of(project)


@pytest.fixture
def repository(service: Any) -> Iterator[Repository]:
    file, name = service.project.path / "config" / "staging.yaml", service.namespace
    content = yaml.safe_load(file.read_text())
    content["gitops"] = {
        "provider": "git",
        "repository": f"{flux_cluster.URL}/{name}.git",
        "review": False,
        "source": name,
        "kustomization": name,
        "timeout_seconds": 200,
    }
    file.write_text(yaml.safe_dump(content))
    made = Repository(service.project.path, name)
    with flux_cluster.followed(made):
        yield made
    everyone = ("inferenceservice", "--all", f"--namespace={name}")
    kubectl("delete", *everyone, "--timeout=60s")


def test_a_version_comes_by_one_line_and_a_revert_takes_it_back(
    service: Any, repository: Repository
) -> None:
    gateway = find_gateway()["address"]
    host = f"{service.name}-{service.namespace}.example.com"

    def answers() -> str:
        connection = http.client.HTTPConnection(gateway, timeout=10)
        connection.request("GET", f"/v1/models/{service.name}", headers={"Host": host})
        answer = connection.getresponse().read()
        return str(json.loads(answer)["model_version_status"][0]["version"])

    service.make("promote", "VERSION=1")
    assert re.search(r"version 1 \(\w+\) in image \w+ answers at http", service.make("deploy"))
    settled(gateway, host, service.name)
    assert answers() == "1"
    service.make("promote")
    assert repository.changes() == [f"1 1 {RELEASED}"]
    service.make("deploy")
    assert answers() == "3"
    path = ("inferenceservice", service.name, f"--namespace={service.namespace}")
    annotations = get_json(*path)["spec"]["predictor"]["annotations"]
    assert annotations["model.blueprint/version"] == "3"
    assert "It is the registry's champion" in service.make("status")

    repository.pull()
    rendering.git(service.project.path, "revert", "--no-edit", "HEAD")
    repository.push("nothing more")
    assert "version 1" in service.make("deploy")
    assert answers() == "1"
