"""`make doctor ENV=staging`: each thing that is missing, and how to get it; nothing is sent."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from vertex.service import errors

from blueprint import settings
from blueprint.errors import UserError
from blueprint.targets import images
from blueprint.targets.vertex import readiness, submission

BUCKET = "digits-staging"


@pytest.fixture
def rows(monkeypatch):
    """What the rows of a configuration say: {name: (is it well, text)}."""

    def found(loaded):
        with monkeypatch.context() as patch:
            patch.setattr(settings, "load", lambda: loaded)
            checks = readiness.checks()
        result = {}
        for name, run, _ in checks:
            try:
                result[name] = (True, run())
            except UserError as error:
                result[name] = (False, str(error))
        return result

    return found


def test_all_is_well(cloud, rows):
    found = rows(cloud)
    assert all(well for well, _ in found.values()), found
    assert readiness.problems(cloud) == []
    assert found["bucket"][1] == f"gs://{BUCKET} in europe-west4"
    assert "custom_model_training_cpus 42" in found["quotas"][1]


def test_a_configuration_of_another_platform(folder):
    """No update changes it: the doctor names the key that is no more, then the section to write."""
    file = folder / "config" / "old.yaml"
    command = [sys.executable, "-m", "blueprint.cli", "doctor"]
    variables = {**os.environ, "MLOPS_ENV": "old", "COLUMNS": "200"}
    said = []
    for text in (
        "kubeflow: {endpoint: https://kfp.team}\n",
        "registry: {tracking_uri: https://mlflow.team}\n",
    ):
        file.write_text(text)
        done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=60)
        said.append(done.stdout)
    assert "config/old.yaml: kubeflow: no such key" in said[0]
    assert "config/old.yaml has no section vertex: docs/vertex.md has one to copy" in said[1]


def test_a_configuration_as_it_is_generated(folder):
    """It names example-project: nobody is asked, and each row says what to do."""
    generated = {
        "vertex": {
            "project": "example-project",
            "location": "europe-west4",
            "pipeline_root": "gs://example-bucket/digits",
        },
        "registry": {"tracking_uri": "https://mlflow.example.com"},
    }
    (folder / "config" / "new.yaml").write_text(json.dumps(generated))
    command = [sys.executable, "-m", "blueprint.cli", "doctor"]
    variables = {**os.environ, "MLOPS_ENV": "new", "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=60)

    assert done.returncode == 1
    assert done.stderr == ""
    for advice in ("name your MLflow server", "name your project's id", "the row `project`"):
        assert advice in done.stdout


def bucket_elsewhere(ground):
    ground.locations[BUCKET] = "US-CENTRAL1"


def bucket_of_others(ground):
    ground.owners[BUCKET] = "42"


@pytest.mark.parametrize(
    ("row", "take", "text"),
    [
        ("APIs", lambda g: g.services.remove("logging.googleapis.com"), "enable logging."),
        ("your roles", lambda g: g.lacking.add("aiplatform.schedules.create"), "roles/aiplatform"),
        ("bucket", lambda g: g.locations.clear(), "gcloud storage buckets create gs://digits"),
        ("bucket", bucket_elsewhere, "is in us-central1, and vertex.location is europe-west4"),
        ("bucket", bucket_of_others, "belongs to project 42"),
        ("service account", lambda g: g.accounts.clear(), "service-accounts create pipelines"),
        ("service account", lambda g: g.lacking.add("iam.serviceAccounts.actAs"), "AccountUser"),
        ("its roles", lambda g: g.roles.clear(), "lacks roles/aiplatform.user in the project"),
        ("its roles", lambda g: g.bindings.clear(), "roles/storage.objectUser on gs://digits"),
        ("image", lambda g: g.images.clear(), "`make push` puts it there"),
        (
            "quotas",
            lambda g: g.quotas.update({"aiplatform.googleapis.com/custom_model_training_cpus": 3}),
            "a step needs 4, the limit in europe-west4 is 3",
        ),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_sent(row, take, text, cloud, rows, service):
    take(service.ground)
    found = rows(cloud)

    assert [name for name, (well, _) in found.items() if not well] == [row], found
    assert text in found[row][1]
    assert "\n" not in found[row][1]
    with pytest.raises(UserError, match=f"^{row}: "):
        submission.submit(cloud)
    assert not service.asked("CreatePipelineJob")


def test_each_row_that_needs_no_answer_is_named_too(load_vertex, rows):
    image = "pipeline.image=docker.io/library/digits:1"
    found = rows(load_vertex(image, "registry.tracking_uri=http://localhost:5000"))
    wrong = {name: text for name, (well, text) in found.items() if not well}
    assert wrong.keys() == {"image", "tracking server"}
    assert "not in Artifact Registry" in wrong["image"]


def test_code_that_is_newer_than_its_image_is_named(cloud, rows):
    known = json.loads(images.FILE.read_text())
    known["pipeline"]["code"] = "other"
    images.FILE.write_text(json.dumps(known))
    assert "`make images` and `make push` again" in rows(cloud)["image"][1]


def test_a_gpu_that_the_quota_lacks_is_named(load_vertex, rows):
    step = "pipeline.steps.train_model.accelerator={type: NVIDIA_TESLA_T4, count: 2}"
    well, text = rows(load_vertex(step))["quotas"]
    assert not well
    assert "custom_model_training_nvidia_t4_gpus: a step needs 2" in text


def test_what_one_may_not_read_does_not_hold_a_run_up(cloud, rows, service):
    service.ground.lacking |= {"resourcemanager.projects.getIamPolicy", "cloudquotas.quotas.get"}
    found = rows(cloud)
    assert found["its roles"][1].startswith("not checked: you may not read who may do what")
    assert found["quotas"][1].startswith("not checked")
    assert submission.submit(cloud)


def test_an_api_that_is_not_enabled_is_named(cloud, rows, service):
    service.fail("GET /v1/projects", errors.disabled("cloudresourcemanager.googleapis.com", "1"))
    assert "gcloud services enable cloudresourcemanager" in rows(cloud)["project"][1]
    service.fail("CreatePipelineJob", errors.disabled("aiplatform.googleapis.com", "1"))
    with pytest.raises(UserError, match="`gcloud services enable aiplatform"):
        submission.submit(cloud)


def test_who_is_not_logged_in_is_told_once(cloud, rows, service):
    service.fail("GET /v1/projects", errors.unauthenticated(), times=99)
    found = rows(cloud)
    assert "gcloud auth application-default login" in found["project"][1]
    assert found["bucket"][1] == "not asked: the row `project` says why"
    assert len(readiness.problems(cloud)) == 1


def test_a_configuration_without_a_project_has_no_rows(load, rows):
    assert rows(load()) == {}
    with pytest.raises(UserError, match="ENV=staging"):
        submission.submit(load("serving.store=null"))


def test_a_service_that_does_not_answer_is_named(load_vertex):
    loaded = load_vertex("vertex.api_endpoint=http://127.0.0.1:9")
    [text] = readiness.problems(loaded)
    assert "does not answer" in text
    assert Path(".mlops/vertex").exists() is False
