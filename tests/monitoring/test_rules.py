"""Alert rules: promtool's tests pass; each alert has one that fires, one that does not, a page."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.rendering import Renderings
from support.watched import TABLE, need

CLUSTER = {"platform": "kubeflow", "serving_platform": "kubernetes"}
PROJECTS: dict[str, dict[str, Any]] = {
    "both": {"observability": True, "drift_monitoring": True, **TABLE, **CLUSTER},
    "observed": {"observability": True},
    "drift alone": {"drift_monitoring": True},
    "TensorFlow Serving": {"observability": True, "serving_runtime": "tf-serving"},
}


@pytest.fixture(scope="module", params=PROJECTS)
def project(request: pytest.FixtureRequest, renderings: Renderings) -> Path:
    return renderings(**PROJECTS[request.param])


def alerts(project: Path) -> dict[str, dict[str, Any]]:
    return {
        rule["alert"]: rule
        for path in (project / "monitoring/prometheus/rules").glob("*.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }


def test_promtool_passes_the_tests(renderings: Renderings) -> None:
    need("promtool")
    project = renderings(**PROJECTS["both"])
    tests = sorted((project / "monitoring/tests").glob("*.yml"))
    command = ["promtool", "test", "rules", *map(str, tests)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_notices_a_changed_rule(renderings: Renderings, tmp_path: Path) -> None:
    need("promtool")
    source = renderings(**PROJECTS["both"]) / "monitoring"
    for name in ("prometheus/rules/alive.yml", "tests/alive.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        text = (source / name).read_text()
        (tmp_path / name).write_text(text.replace('up{role="server"} == 0', 'up{role="x"} == 0'))
    command = ["promtool", "test", "rules", str(tmp_path / "tests/alive.yml")]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode != 0


def test_what_is_recorded_is_still_there_at_the_next_evaluation(project: Path) -> None:
    """Prometheus looks back five minutes: tests with longer steps failed now and then."""
    for path in (project / "monitoring/tests").glob("*.yml"):
        test = yaml.safe_load(path.read_text())
        rules = "".join((path.parent / each).read_text() for each in test["rule_files"])
        if "record:" in rules:
            assert re.fullmatch(r"[1-4]m", test["evaluation_interval"]), path


def test_each_alert_fires_in_a_test_and_not_in_another(project: Path) -> None:
    fires, does_not = set(), set()
    for path in (project / "monitoring/tests").glob("*.yml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for each in test.get("promql_expr_test", ()):
                fires |= set(re.findall(r'alertname="(\w+)"', each["expr"]))
            for each in test.get("alert_rule_test", ()):
                assert each["exp_alerts"] == []
                does_not.add(each["alertname"])
    every = alerts(project).keys()
    assert fires == every
    assert does_not == every - {"DeadMansSwitch"}


def test_each_alert_says_what_it_must(project: Path) -> None:
    for name, rule in alerts(project).items():
        assert rule["labels"]["severity"] in ("page", "ticket", "none"), name
        said = rule["annotations"]
        assert {"summary", "description", "runbook_url"} <= said.keys(), name
        assert said["runbook_url"] == f"docs/runbooks/{name}.md"
        page = (project / said["runbook_url"]).read_text()
        assert page.startswith(f"# {name}\n"), name
        headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
        assert headings[0] == "Look at", f"{name} begins with what to look at"
        assert headings[-1] == "Fix", f"{name} ends with what fixes it"
        assert "make " in page.split("## Fix")[1], f"{name} ends with a command"


def test_each_page_has_its_alert(project: Path) -> None:
    assert {path.stem for path in (project / "docs/runbooks").glob("*.md")} == alerts(
        project
    ).keys()


def test_a_project_has_the_alerts_of_what_it_has(renderings: Renderings) -> None:
    with_both, observed, drift, tf = (alerts(renderings(**each)) for each in PROJECTS.values())
    assert "CanaryStuck" in with_both
    assert "CanaryStuck" not in observed
    assert not {name for name in observed if name.startswith(("Drift", "PredictionLog"))}
    assert {"DriftDetected", "PredictionLogDropping"} <= drift.keys()
    assert "ServerDown" not in drift
    assert "ScheduleSilent" in tf
    assert "OneClassOnly" not in tf


def test_alertmanager_takes_its_file(renderings: Renderings) -> None:
    need("amtool", "promtool")
    project = renderings(**PROJECTS["both"])
    path = project / "monitoring/alertmanager/alertmanager.yml"
    subprocess.run(["amtool", "check-config", str(path)], check=True, capture_output=True)
    routed = {
        name: subprocess.run(
            ["amtool", "config", "routes", "test", f"--config.file={path}", *labels],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for name, labels in {
            "page": ["severity=page", "alertname=ServerDown"],
            "ticket": ["severity=ticket", "alertname=StaleModel"],
            "heartbeat": ["severity=none", "alertname=DeadMansSwitch"],
        }.items()
    }
    assert routed == {name: name for name in routed}


def test_dashboards_are_json_without_what_grafana_adds(project: Path) -> None:
    for path in (project / "monitoring/dashboards").glob("*.json"):
        board = json.loads(path.read_text())
        assert "id" not in board
        assert board["schemaVersion"] >= 39
