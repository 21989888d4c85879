"""A project of Google Cloud in which nothing is missing, and settings that lead to it."""

import json

import pytest

from blueprint.targets import images
from blueprint.targets.facts import fingerprint
from blueprint.targets.vertex.findings import OBJECTS, USER

BUCKET = "digits-staging"
PLACE = "locations/europe-west4/repositories/team/packages/digits-pipeline"
DIGEST = f"sha256:{'1' * 64}"


@pytest.fixture
def pushed(folder, service):
    """The image of the code as it is, as `make push` remembers it and Artifact Registry has it."""
    reference = f"europe-west4-docker.pkg.dev/{service.project}/team/digits-pipeline@{DIGEST}"
    images.FILE.parent.mkdir()
    facts = {"reference": "digits-pipeline:1", "megabytes": 1, "pushed": reference}
    images.FILE.write_text(json.dumps({"pipeline": facts | {"code": fingerprint()}}))
    service.ground.images.add(f"projects/{service.project}/{PLACE}/versions/{DIGEST}")
    return reference


@pytest.fixture
def account(service):
    """The service account of the steps, with the roles that it needs."""
    email = service.ground.accounts[0]
    service.ground.roles[f"serviceAccount:{email}"] = [USER]
    service.ground.locations[BUCKET] = "EUROPE-WEST4"
    service.ground.bindings[BUCKET] = {f"serviceAccount:{email}": [OBJECTS]}
    return email


@pytest.fixture
def load_vertex(load, service, pushed, account):
    """Load the configuration: load_vertex("vertex.failure_policy=fast")."""

    def loaded(*overrides):
        given = [
            "registry.tracking_uri=http://mlflow.team:5000",
            "serving.store=null",
            f"vertex.project={service.project}",
            "vertex.location=europe-west4",
            f"vertex.pipeline_root=gs://{BUCKET}/pipelines",
            f"vertex.service_account={account}",
            f"vertex.api_endpoint={service.url}",
            "vertex.poll_seconds=0.02",
            "vertex.experiment=tests",
        ]
        return load(*given, *overrides)

    return loaded


@pytest.fixture
def cloud(load_vertex):
    return load_vertex()
