"""`make doctor ENV=staging`: each thing that is missing, and how to get it; nothing is sent."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from blueprint import settings
from blueprint.errors import UserError
from blueprint.targets.kubeflow import readiness


@pytest.fixture
def rows(monkeypatch):
    """What the rows of a configuration say: {name: (is it well, text)}."""
    monkeypatch.setattr(readiness, "DOCKER", Path("docker.json"))

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


GENERATED = """
kubeflow:
  endpoint: https://kubeflow.example.com/pipeline
  auth: token
  pipeline_root: s3://example-bucket/digits/staging
registry:
  tracking_uri: https://mlflow.example.com
"""


def test_a_configuration_as_it_is_generated(folder):
    (folder / "config" / "new.yaml").write_text(GENERATED)  # config/staging.yaml is yours by now
    command = [sys.executable, "-m", "blueprint.cli", "doctor"]
    variables = {**os.environ, "MLOPS_ENV": "new", "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=60)

    assert done.returncode == 1
    assert done.stderr == ""
    missing = set(re.findall(r"✗ +│ ([\w' ]+?) +│", done.stdout)) - {"data"}  # some ask for yours
    assert missing == {"Kubeflow", "login", "pipeline's image", "artifacts", "tracking server"}
    for advice in ("port-forward", "kubectl create token", "make push", "your bucket", "MLflow"):
        assert advice in done.stdout


def test_a_laptop_has_no_rows_for_a_cluster(folder, rows):
    assert rows(settings.load("local")) == {}


def test_a_whole_configuration_is_well(load_cluster, rows, monkeypatch):
    monkeypatch.setenv("KUBEFLOW_TOKEN", "a")
    Path("docker.json").write_text(json.dumps({"auths": {"registry.example.com": {}}}))
    loaded = load_cluster(
        "https://kubeflow.team.internal/pipeline",
        "kubeflow.auth=token",
        "kubeflow.namespace=team",
        "kubeflow.pipeline_root=s3://models/x",
        "pipeline.every.secrets={objects: {a: AWS_ACCESS_KEY_ID, b: AWS_SECRET_ACCESS_KEY}}",
    )
    found = rows(loaded)
    assert {name for name, (well, _) in found.items() if not well} == set(), found
    assert readiness.problems(loaded) == []


@pytest.mark.parametrize(
    ("override", "row", "advice"),
    [
        ("kubeflow.endpoint=null", "Kubeflow", "port-forward"),
        ("kubeflow.ca=none.pem", "Kubeflow", "no file none.pem"),
        ("kubeflow.auth=cookie", "login", "KUBEFLOW_COOKIE"),
        ("kubeflow={auth: iap, client_id: x}", "login", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("kubeflow.namespace=null", "namespace", "dashboard"),
        ("kubeflow.pipeline_root=gs://models", "credentials of steps", "GOOGLE_APPLICATION"),
        ("kubeflow.pipeline_root=s3://models", "credentials of steps", "AWS_SECRET_ACCESS_KEY"),
        ("kubeflow.pipeline_root=az://models", "artifacts", "Kubeflow takes s3, minio, gs"),
        ("kubeflow.auth=in-cluster", "login", "no token in /var/run/secrets/kubeflow"),
        ("registry.tracking_uri=http://localhost:5000", "tracking server", "on this machine"),
        ("registry.tracking_uri=http://127.1.2.3:5000", "tracking server", "on this machine"),
        ("registry.tracking_uri=http://0.0.0.0:5000", "tracking server", "on this machine"),
        ("registry.tracking_uri=postgresql://localhost/x", "tracking server", "on this machine"),
        ("registry.tracking_uri=sqlite:///x.db", "tracking server", "on this machine"),
        ("data={source: files, files: {path: x.csv}}", "data", "into a bucket"),
        ("serving.store=x", "deployment", "gone with it"),
        ("images.registry=other.example.com", "image registry", "docker login other.example.com"),
    ],
)
def test_each_thing_that_is_missing(load_cluster, rows, override, row, advice):
    found = rows(load_cluster("http://127.0.0.1:1", override))
    assert found[row][0] is False
    assert advice in found[row][1]


def test_an_image_that_is_old_or_was_never_pushed(load_cluster, rows):
    file = Path("build/images.json")
    image = json.loads(file.read_text())
    for change, advice in (({"code": "old"}, "again"), ({"pushed": ""}, "make push REGISTRY=")):
        file.write_text(json.dumps({"pipeline": image["pipeline"] | change}))
        well, text = rows(load_cluster("http://127.0.0.1:1"))["pipeline's image"]
        assert not well
        assert advice in text
    loaded = load_cluster("http://127.0.0.1:1", "pipeline.image=mine:1")
    assert rows(loaded)["pipeline's image"] == (True, "mine:1")
