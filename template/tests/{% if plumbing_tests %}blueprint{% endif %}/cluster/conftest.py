"""A cluster to talk to: a real API at $KFP_ENDPOINT, or else a fake one at the level of HTTP."""

import json
import os

import pytest
from cluster.fake import Fake

from blueprint import settings
from blueprint.targets import images
from blueprint.targets.facts import fingerprint
from blueprint.targets.kubeflow.client import connect
from blueprint.targets.kubeflow.settings import Kubeflow

REAL = os.environ.get("KFP_ENDPOINT")
IMAGE = "registry.example.com/team/digits-pipeline@sha256:1"


@pytest.fixture
def fake(monkeypatch):
    for name in [name for name in os.environ if name.startswith(("KUBEFLOW_", "KF_"))]:
        monkeypatch.delenv(name)
    with Fake() as server:
        yield server


@pytest.fixture
def pushed(folder):
    """The image of the code as it is, as `make push` remembers it."""
    images.FILE.parent.mkdir()
    facts = {"reference": "digits-pipeline:1", "megabytes": 1, "pushed": IMAGE}
    images.FILE.write_text(json.dumps({"pipeline": facts | {"code": fingerprint()}}))


@pytest.fixture
def load_cluster(load, pushed):
    """Load a cluster's configuration by its endpoint: load_cluster(url, "kubeflow.auth=token")."""

    def loaded(endpoint, *overrides):
        given = [
            "registry.tracking_uri=http://mlflow.team:5000",
            "serving.store=null",
            f"kubeflow.endpoint={endpoint}",
            "kubeflow.experiment=tests",
            "kubeflow.poll_seconds=0.02",
            "pipeline.every.timeout_seconds=600",
        ]
        return load(*given, *overrides)

    return loaded


@pytest.fixture
def cluster(request, load_cluster):
    """Settings for the real API where there is one, else for the fake."""
    if not REAL:
        return load_cluster(request.getfixturevalue("fake").endpoint)
    namespace = os.environ.get("KFP_NAMESPACE")
    extra = [f"kubeflow.namespace={namespace}"] if namespace else []
    token = settings.KUBEFLOW_TOKEN in os.environ
    return load_cluster(REAL, f"kubeflow.auth={'token' if token else 'none'}", *extra)


@pytest.fixture
def client(cluster):
    assert isinstance(cluster.kubeflow, Kubeflow)
    return connect(cluster)
