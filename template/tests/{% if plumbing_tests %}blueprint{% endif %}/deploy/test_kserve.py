"""What is read of an InferenceService, and what pins it; tests/cluster has the real controller."""

import pytest

from blueprint.deploy.kserve import API, Service
from blueprint.deploy.pin import Pin
from blueprint.errors import UserError

PIN = Pin("7", "ab" * 32, "s3://models/7")


class Cluster:
    """The objects that the API would give, and no events."""

    namespace = "team"

    def __init__(self, live=None, known=True, events=(), readers=()):
        self.live, self.known, self.events = live, known, list(events)
        self.readers = list(readers)

    def path(self, version, plural, name=""):
        return f"{plural}/{name}"

    def get(self, path):
        if path == f"/apis/{API}":
            return {} if self.known else None
        return self.live

    def items(self, path, **query):
        return self.readers if "clusterstoragecontainers" in path else self.events


def live(**predictor):
    written = [
        {"time": "2026-11-27T10:00:00Z"},
        {"time": "2026-11-27T11:00:00Z", "subresource": "status"},
    ]
    containers = [{"name": "kserve-container", "env": [{"name": "A", "value": "1"}]}]
    found = {"name": "stable", "annotations": PIN.annotations, "containers": containers}
    return {
        "metadata": {"name": "digits", "managedFields": written},
        "spec": {"predictor": found | predictor},
    }


@pytest.mark.parametrize(
    ("cluster", "reason"),
    [
        (Cluster(known=False), "the cluster does not know InferenceService"),
        (Cluster(live(name="")), "has a predictor without a name"),
        (Cluster(live(annotations={})), "is not of this project"),
    ],
)
def test_what_cannot_serve_is_one_line(cluster, reason):
    with pytest.raises(UserError, match=reason):
        Service(cluster, "digits").check()


def test_what_is_ours_and_what_is_not_there_yet_is_fine():
    Service(Cluster(live()), "digits").check()
    Service(Cluster(), "digits").check()


def test_a_pin_is_three_annotations_and_the_address():
    served = Service(Cluster(), "digits")
    annotations, storage = served.change(live(annotations={"mine": "1"}), PIN)
    assert annotations["value"] == {"mine": "1", **PIN.annotations}
    assert storage["path"] == "/spec/predictor/containers/0/env"
    assert storage["value"] == [
        {"name": "A", "value": "1"},
        {"name": "STORAGE_URI", "value": PIN.uri},
    ]
    model = {"spec": {"predictor": {"name": "stable", "model": {"storageUri": ""}}}}
    assert served.change(model, PIN)[1]["path"] == "/spec/predictor/model/storageUri"
    with pytest.raises(UserError, match="no container kserve-container"):
        served.change(live(containers=[{"name": "server"}]), PIN)


def test_the_names_that_kserve_gives():
    assert Service(Cluster(), "digits").service(live()) == "digits-stable-predictor:80"
    found = live()
    canary = Service(Cluster(), "digits", "canary")
    assert canary.deployment(found) is None
    found["spec"]["canary"] = [{"predictor": {"name": "canary", "annotations": PIN.annotations}}]
    assert canary.deployment(found) == "digits-canary-predictor"
    assert canary.pin(found) == PIN


def event(time, message, reason="InternalError"):
    return {
        "involvedObject": {"kind": "InferenceService"},
        "lastTimestamp": time,
        "message": message,
        "reason": reason,
    }


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ([event("2026-11-27T10:00:01Z", "StorageUri [dvc://x] is not supported")], "dvc://x"),
        ([event("2026-11-27T09:59:59Z", "of what it was before")], ""),
        ([event("2026-11-27T10:00:01Z", "Operation cannot be fulfilled on …")], ""),
        ([event("2026-11-27T10:00:01Z", "no longer Ready", "InferenceServiceNotReady")], ""),
        ([], ""),
    ],
)
def test_what_its_controller_says(events, problem):
    found = Service(Cluster(events=events), "digits").problem(live())
    assert problem in found
    assert bool(found) == bool(problem)


@pytest.mark.parametrize(
    ("time", "problem"),
    [("2026-11-27T10:00:01Z", "KServe: no such bucket"), ("2026-11-27T09:00:00Z", "")],
)
def test_a_model_that_cannot_be_loaded(time, problem):
    found = live()
    failure = {"message": "no such\n bucket", "time": time}
    status = {"transitionStatus": "BlockedByFailedLoad", "lastFailureInfo": failure}
    found["status"] = {"modelStatus": status}
    assert Service(Cluster(), "digits").problem(found) == problem


@pytest.mark.parametrize(
    ("prefixes", "problem"),
    [(["s3://"], "deploy/storage-container"), (["s3://", "mlflow-artifacts:"], ""), ([], "")],
)
def test_files_that_nothing_in_the_cluster_reads(prefixes, problem):
    """Without a look at what reads, nothing is said."""
    pin = Pin("7", "ab" * 32, "mlflow-artifacts:/1/run/artifacts/model")
    readers = [{"spec": {"supportedUriFormats": [{"prefix": each}]}} for each in prefixes]
    found = Service(Cluster(readers=readers), "digits").problem(live(annotations=pin.annotations))
    assert problem in found
    assert bool(found) == bool(problem)
