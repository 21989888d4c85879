"""What an owner does about drift, on pictures: ask, say what was true, compare."""

import json
import subprocess
from pathlib import Path

import pytest

from support.project import Project, environment
from support.projects import made

pytestmark = pytest.mark.slow
# Turned pictures of the test rows, asked for one by one; and what was true of them, by request id.
ASK = """
import csv, json, sys, urllib.request
import numpy as np
from blueprint import runs
from blueprint.data import Dataset

rows = Dataset(runs.newest("load-data/test_data"))
features, labels = rows.arrays()
truth = []
for picture, label in zip(features["image"][:250], labels):
    body = json.dumps({"instances": [np.rot90(picture).tolist()]}).encode()
    asked = urllib.request.Request(sys.argv[1], body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked) as answer:
        truth.append((answer.headers["X-Request-Id"], rows.schema.classes[label]))
with open("labels.csv", "w", newline="") as file:
    csv.writer(file).writerows([("request_id", "label"), *truth, ("nobody", "3")])
print(rows.directory)
"""


def drift(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [project.path / ".venv/bin/python", "-m", "blueprint.cli", "drift", *arguments]
    return subprocess.run(
        command, cwd=project.path, env=environment(), capture_output=True, text=True
    )


def test_pictures_are_compared_by_what_is_seen_of_them(template: Path, tmp_path: Path) -> None:
    answers = {"framework": "sklearn", "drift_monitoring": True}
    project = made(template, tmp_path / "a project", **answers)
    assert not list(project.path.glob(".venv/lib/*/site-packages/evidently"))
    project.make("run")
    with project.serve() as server:
        url = f"{server.url}/v1/models/digit-recognition:predict"
        python = project.path / ".venv/bin/python"
        test_rows = subprocess.check_output(
            [python, "-c", ASK, url], cwd=project.path, env=environment(), text=True
        ).strip()

    said = project.make("labels", "FILE=labels.csv").stdout.splitlines()
    assert said[0] == "labels.csv: 251 labels, 250 kept"
    assert {"        1  unknown", "      250  new"} <= {*said}
    project.make(".venv/monitoring", timeout=900)

    few = drift(project, "drift.min_rows=300")
    assert (few.returncode, few.stdout.splitlines()[-2]) == (4, "too few rows to say: 250")
    same = drift(project, "drift.source=path", f"drift.path={test_rows}")
    assert same.returncode == 0, same.stdout + same.stderr
    turned = drift(project)
    assert turned.returncode == 3, turned.stdout + turned.stderr
    assert "what is predicted moved" in turned.stdout
    assert "accuracy got worse" in turned.stdout
    page = project.path / turned.stdout.splitlines()[-1]
    found = json.loads(page.with_name("drift.json").read_text())
    columns = {"brightness", "contrast", "sharpness", "prediction", "probability"}
    assert {each["name"] for each in found["columns"]} == columns
    assert "<h2>Drift</h2>" in page.read_text()
