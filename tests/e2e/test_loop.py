"""The loop: drift comes, is found, is answered by a training that the gate accepts, and goes; and
what happens when the gate does not. Everything is real, in projects of their own.
"""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import owners
from support.project import Project, environment, free_port
from support.projects import made
from support.watched import Programs, scaled, until

pytestmark = pytest.mark.slow
TASKS = {
    "pictures": {"framework": "sklearn"},
    "classes": {"framework": "sklearn", "task": "tabular-classification"},
}
# Rows of the sample with every number moved, asked for in tens; and their labels, or wrong ones.
ASK = """
import json, sys, urllib.request
import numpy as np, polars as pl
from blueprint.data.sources import scan

url, count = sys.argv[1], int(sys.argv[2])
rows = scan("sample", task="tabular-classification").collect()
rows = rows.sample(count, with_replacement=True, seed=count)
names = [name for name in rows.columns if name != "label"]
noise = np.random.default_rng(count)
moved = rows.with_columns(
    pl.Series(name, rows[name].to_numpy() + rows[name].std() * noise.normal(1, 0.1, count))
    for name in names
)
for part in moved.select(names).iter_slices(10):
    body = json.dumps({"instances": part.to_dicts()}).encode()
    urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"}))
moved.write_parquet("data/good.parquet")
moved.with_columns(label=moved["label"].shuffle(1)).write_parquet("data/bad.parquet")
"""


@pytest.mark.parametrize("task", TASKS)
def test_the_demonstration_ends_with_less_drift(task: str, template: Path, tmp_path: Path) -> None:
    project = made(template, tmp_path / "a project", drift_monitoring=True, **TASKS[task])

    done = project.make("demo-drift", timeout=1800).stdout

    # What each batch met, and by which version it was answered.
    found = re.findall(r"rows · version (\d) · (\d+)% right · (no drift|drift)", done)
    assert [(version, drift) for version, _, drift in found] == [
        *[("1", "no drift")] * 2,
        *[("1", "drift")] * 2,
        *[("2", "no drift")] * 2,
    ]
    right = [int(each) for _, each, _ in found]
    assert max(right[2:4]) < min(right[4:]), "the new version is better where the world has changed"
    assert "2: trained because " in done
    if shutil.which("prometheus"):
        assert "the alert Drift fires for version 1" in done
        assert "no alert fires" in done
    picture = project.path / done.splitlines()[-1]
    assert ET.parse(picture).getroot().tag.endswith("svg")
    # It is a world of its own: the project has no model yet, and no program is left.
    assert "no version" in project.make("models").stdout
    left = subprocess.run(["pgrep", "-f", str(project.path)], capture_output=True, text=True)
    assert not left.stdout


@pytest.fixture
def drifted(template: Path, tmp_path: Path) -> Project:
    """A project whose model was asked about rows that have moved."""
    answers: dict[str, Any] = {"framework": "sklearn", "task": "tabular-classification"}
    answers |= {"observability": True, "drift_monitoring": True}
    project = made(template, tmp_path / "a project", **answers)
    (project.path / "data").mkdir()
    project.make("run")
    with project.serve() as server:
        url = f"{server.url}/v1/models/{owners.answers(project.path)['project_slug']}:predict"
        python = project.path / ".venv" / "bin" / "python"
        subprocess.run(
            [python, "-c", ASK, url, "400"], cwd=project.path, check=True, env=environment()
        )
    return project  # the server has written its log at its end


@pytest.fixture
def programs(
    drifted: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Programs | None]:
    """The real programs on the project's files, to which it pushes; None where there are none."""
    names = ("prometheus", "prometheus-alertmanager", "prometheus-pushgateway")
    if not all(map(shutil.which, names)):
        yield None
        return
    ports = {name: free_port() for name in ("prometheus", "alertmanager", "pushgateway", "webhook")}
    monkeypatch.setenv("MLOPS_METRICS__PUSHGATEWAY", f"http://127.0.0.1:{ports['pushgateway']}")
    for name in ("prometheus", "alertmanager"):
        monkeypatch.setenv(f"MLOPS_MONITOR__{name.upper()}_PORT", str(ports[name]))
    for name in ("PAGE", "TICKET", "HEARTBEAT"):
        url = f"http://127.0.0.1:{ports['webhook']}/{name}"
        monkeypatch.setenv(f"MLOPS_MONITOR__WEBHOOKS__{name}", url)
    drifted.make("monitor", f"PORT={free_port()}", "ARGS=--files")
    files = drifted.path / "build/monitoring/local"
    scaled(files)
    with Programs(files, tmp_path, ports) as started:
        yield started


def test_a_rejected_training_leaves_the_old_model_and_raises_its_own_alert(
    drifted: Project, programs: Programs | None
) -> None:
    def monitor(*arguments: str) -> str:
        said = drifted.make("run", "PIPELINE=monitoring", f"ARGS={' '.join(arguments)}").stdout
        return " ".join(said.split())

    def alert(name: str, status: str) -> None:
        if programs:
            until(lambda: programs.alert(name, status), f"{name} {status}", 60)

    off = monitor()
    assert "retraining.enabled is false" in off
    assert "train_model skipped" in off
    alert("DriftDetected", "firing")

    bad = ("data.source=files", "data.files.path=data/bad.parquet", "retraining.enabled=true")
    assert "version 2 is rejected, version 1 stays" in monitor(*bad)
    alert("RetrainingRejected", "firing")
    models = drifted.make("models").stdout
    assert re.search(r"^ +1 .*champion", models, re.MULTILINE)
    assert "! the last training was rejected" in models

    good = ("data.source=files", "data.files.path=data/good.parquet", "retraining.enabled=true")
    assert "the last training is too recent" in monitor(*good)
    again = (*good, "retraining.cooldown_hours=0")
    assert "the week's trainings are spent" in monitor(*again, "retraining.per_week=1")
    assert not programs or programs.alert("RetrainingRejected", "firing")
    assert "version 3 takes the place of version 1" in monitor(*again)
    alert("RetrainingRejected", "resolved")
    models = drifted.make("models").stdout
    assert "rejected: `make report`" not in models
    assert re.search(r"^ +3 .*champion", models, re.MULTILINE)
    assert "too few rows to say" in monitor(*again)
    assert "drift of version 3" in (models := drifted.make("models").stdout)
    assert "UTC: unknown" in models
    alert("DriftDetected", "resolved")
