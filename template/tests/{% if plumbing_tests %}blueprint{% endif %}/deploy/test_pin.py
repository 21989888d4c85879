"""Which versions may be pinned: of a real registry."""

import pytest

from blueprint.deploy.pin import Pin, pinned, resolve
from blueprint.deploy.settings import Deploy
from blueprint.errors import UserError
from blueprint.registry.client import Registry
from blueprint.registry.store import FILES_TAG

HASH = "ab" * 32


@pytest.fixture
def registry(load, tmp_path):
    section = load().registry
    return Registry(section.tracking_uri, section.name, "s3://bucket/artifacts")


@pytest.fixture
def run(registry):
    """A run without files: those are in a bucket that nobody asks."""
    run = registry.log_run("r", params={}, metrics={}, curves={}, tags={}, artifacts={})
    return str(run)


def test_an_accepted_version_with_a_hash_is_pinned(registry, run):
    made = registry.register(run, {"verdict": "accepted", FILES_TAG: HASH})
    pin = resolve(registry, made.number)
    assert (pin.version, pin.sha256) == ("1", HASH)
    assert pin.uri.startswith("s3://bucket/artifacts/")
    assert pinned(pin.annotations) == pin
    assert str(pin) == "version 1 (abababababab)"


def test_what_must_not_be_served_is_rejected(registry, run):
    with pytest.raises(UserError, match="has no champion yet"):
        resolve(registry)
    registry.register(run, {"verdict": "rejected", "verdict.reason": "too bad", FILES_TAG: HASH})
    with pytest.raises(UserError, match=r"version 1 was rejected \(too bad\): `make promote"):
        resolve(registry, "1")
    registry.set_tags("1", {"promoted.forced": "true"})
    assert resolve(registry, "1").version == "1"
    registry.register(run, {"verdict": "accepted"})
    with pytest.raises(UserError, match=f"version 2 has no tag {FILES_TAG}"):
        resolve(registry, "2")


def test_files_that_no_pod_reads_are_rejected(load):
    section = load().registry
    registry = Registry(section.tracking_uri, section.name, section.artifact_location)
    run = registry.log_run("r", params={}, metrics={}, curves={}, tags={}, artifacts={})
    registry.register(run, {"verdict": "accepted", FILES_TAG: HASH})
    with pytest.raises(UserError, match="where no pod reads them"):
        resolve(registry, "1")


def test_no_annotations_are_no_version():
    assert pinned(None) is None
    assert pinned(dict.fromkeys(Pin("", "", "").annotations, "")) is None


def test_the_objects_are_called_like_the_model_unless_named(load):
    loaded = load("deploy.context=c", "deploy.namespace=n")
    assert loaded.deploy.resolved(loaded).name == loaded.registry.name
    assert Deploy(context="c", namespace="n", name="other").resolved(loaded).name == "other"
