"""Checkov finds nothing in what is applied but what is meant so."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from support import manifests, questions
from support.rendering import Renderings

pytestmark = pytest.mark.slow  # checkov takes a minute to say anything

MEANT = {
    "CKV_K8S_11": "no CPU limit: throttling makes requests slow while the node is idle",
    "CKV_K8S_35": "object stores' and MLflow's clients read logins from the environment; the "
    "fetching container alone has them",
}


def test_checkov_finds_what_is_meant(renderings: Renderings, tmp_path: Path) -> None:
    project = renderings(platform="kubeflow", serving_platform="kubernetes")
    objects = manifests.released(project, tmp_path / "released", "production")
    file = tmp_path / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    command = ["uv", "tool", "run", "--from", questions.pinned("checkov"), "checkov", "--quiet"]
    command += ["--file", str(file), "--framework", "kubernetes", "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.stdout.startswith("{"), done.stderr
    results = json.loads(done.stdout)["results"]
    failed = {each["check_id"]: each["check_name"] for each in results["failed_checks"]}
    assert failed.keys() == MEANT.keys(), failed
