"""A stand-in as an InferenceService, by KServe's real controller, through a real gateway."""

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import cluster
from support.cluster import kubectl
from support.projects import made
from support.served import Site, find_gateway, pullable_python, settle

pytestmark = pytest.mark.slow
ANSWERS = {
    "task": "tabular-classification",
    "framework": "sklearn",
    "platform": "kubeflow",
    "serving_platform": "kserve",
}
MOVES = "CANARY_GETS_ITS_SHARE"  # set where KServe must move the weights
READ = "import sys; sys.exit(sys.argv[1] + ' is not there' if 'fail' in sys.argv[1] else 0)"


@pytest.fixture(scope="module")
def python(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    cluster.need_cluster()
    if "inferenceservices" not in kubectl("api-resources", "-o", "name", check=False):
        cluster.lacking(
            "the cluster has no KServe", "install it in Standard mode, with the Gateway API"
        )
    project = made(template, tmp_path_factory.mktemp("kserve") / "project", **ANSWERS)
    return project.path / ".venv" / "bin" / "python"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Python that the cluster can pull, which also reads what `standin:` names."""
    with pullable_python(tmp_path_factory.mktemp("registry")) as name:
        container = {
            "name": "storage-initializer",
            "image": name,
            "command": ["python3", "-c", READ],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
            "resources": {
                "requests": {"cpu": "10m", "memory": "32Mi"},
                "limits": {"cpu": "1", "memory": "128Mi"},
            },
        }
        storage = {
            "apiVersion": "serving.kserve.io/v1alpha1",
            "kind": "ClusterStorageContainer",
            "metadata": {"name": "standin-of-the-tests"},
            "spec": {
                "supportedUriFormats": [{"prefix": "standin:"}],
                "workloadType": "initContainer",
                "container": container,
            },
        }
        kubectl("apply", "-f", "-", text=json.dumps(storage))
        try:
            yield name
        finally:
            kubectl("delete", "clusterstoragecontainer", "standin-of-the-tests")


@pytest.fixture
def site(python: Path, image: str) -> Iterator[Site]:
    """A namespace where nothing serves yet."""
    gateway = find_gateway()
    with cluster.namespace("kserve") as name:
        settings = {
            "context": kubectl("config", "current-context"),
            "namespace": name,
            "name": "digits",
            "timeout_seconds": 90,
            "canary": {"seconds": 5, "min_requests": 60},
            "image": image,
        }
        yield Site(python, settings, gateway["address"], f"digits-{name}.example.com")
        kubectl("delete", "inferenceservice", "--all", "-n", name, "--timeout=60s")


def test_versions_come_and_broken_ones_do_not(site: Site) -> None:
    site.run("deploy", "1")
    with site.load() as clients:
        settle(clients)
        site.run("deploy", "2")
        said = site.run("deploy", "3", "URI=dvc://models/3", code=1)
        assert re.search(r"error: KServe: .*dvc://models/3\] is not supported", said)
        said = site.run("deploy", "4", "URI=standin://fail", code=1)
        assert re.search("error: .*storage-initializer failed .*standin://fail is not there", said)
        site.run("deploy", "5")
        assert clients.failed() == 0, clients.failures[:5]
        assert {"1", "2", "5"} == set(clients.by_version())


def test_weights_that_never_come_are_noticed(site: Site) -> None:
    """0.20.0 makes a canary's pods and gives them nothing; newer ones go all the way."""
    site.run("deploy", "1")
    with site.load() as clients:
        settle(clients)
        process = site.start("canary", "2", "10")
        said, _ = process.communicate(timeout=300)
        assert clients.failed() == 0, clients.failures[:5]
    if process.returncode:
        assert not os.environ.get(MOVES), said
        assert "KServe has not moved the weights" in said
        assert "0.21 or newer is needed" in said
    end, left = time.monotonic() + 30, ["digits-stable-predictor"]  # the controller takes it away
    while site.names("deployment") != left and time.monotonic() < end:
        time.sleep(0.5)
    assert site.names("deployment") == site.names("horizontalpodautoscaler") == left


def test_an_object_of_somebody_else_is_left_alone(site: Site) -> None:
    predictor = {"minReplicas": 0, "containers": [{"name": "kserve-container", "image": "x"}]}
    foreign = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "digits", "namespace": site.settings["namespace"]},
        "spec": {"predictor": predictor},
    }
    kubectl("apply", "-f", "-", text=json.dumps(foreign))
    assert "has a predictor without a name" in site.run("deploy", "1", code=1)
    kubectl("delete", "-f", "-", "--timeout=60s", text=json.dumps(foreign))
    foreign["spec"]["predictor"]["name"] = "theirs"
    kubectl("apply", "-f", "-", text=json.dumps(foreign))
    assert "is not of this project" in site.run("deploy", "1", code=1)
    found = kubectl("get", "inferenceservice", "-n", site.settings["namespace"], "-o", "json")
    assert [each["spec"]["predictor"]["name"] for each in json.loads(found)["items"]] == ["theirs"]
