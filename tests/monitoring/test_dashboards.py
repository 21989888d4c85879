"""Each panel of each dashboard shows something, on a real Prometheus after a little traffic."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from support.rendering import Renderings
from support.watched import NAME, Watched, until

# What a variable of the dashboards stands for here.
VALUES = {
    "environment": "local",
    "job": NAME,
    "version": ".*",
    "pipeline": ".*",
    "model": ".*",
    "__rate_interval": "20s",
}
PUSHED: dict[str, float] = {
    "pipeline_last_run_timestamp_seconds": 1.0,
    "pipeline_last_success_timestamp_seconds": 1.0,
    "pipeline_gate_accepted": 1.0,
    "pipeline_gate_rejections": 0.0,
    'pipeline_evaluation{metric="accuracy"}': 0.9,
    'pipeline_rows{split="train"}': 300.0,
    'pipeline_data_info{sha256="ab"}': 1.0,
    'pipeline_step_seconds{step="train_model"}': 3.0,
    'drift_detected{model="m",version="1"}': 0.0,
    'drift_share{model="m",version="1"}': 0.1,
    'drift_rows{model="m",version="1"}': 500.0,
    'drift_checked_timestamp_seconds{model="m",version="1"}': 1.0,
    'drift_score{model="m",version="1",column="a",method="psi"}': 0.1,
    'drift_performance{model="m",version="1",metric="accuracy"}': 0.9,
}


def dashboards(project: Path) -> dict[str, dict[str, Any]]:
    return {
        path.stem: json.loads(path.read_text())
        for path in sorted((project / "monitoring/dashboards").glob("*.json"))
    }


def filled(expression: str) -> str:
    """The expression with the variables' values."""
    return re.sub(r"\$(\w+)", lambda match: VALUES[match[1]], expression)


@pytest.mark.slow  # a project is trained, and served
def test_every_panel_shows_something(watched: Watched) -> None:
    now = time.time()
    pushed = {name: now if "timestamp" in name else v for name, v in PUSHED.items()}
    watched.programs.push(NAME, pushed)
    for name, board in dashboards(watched.project.path).items():
        panels = [panel for panel in board["panels"] if panel["type"] != "row"]
        assert panels, name
        for panel in panels:
            for target in panel["targets"]:
                expression = filled(target["expr"])
                until(lambda e=expression: watched.programs.query(e), f"{name}: {expression}", 60)
        for annotation in board["annotations"]["list"]:
            watched.programs.query(filled(annotation["target"]["expr"]))


def test_a_dashboard_has_what_the_others_have(renderings: Renderings) -> None:
    boards = dashboards(renderings(observability=True, drift_monitoring=True))
    assert boards.keys() == {"service", "model", "pipeline", "drift"}
    for name, board in boards.items():
        assert board["uid"] == name
        numbers = [panel["id"] for panel in board["panels"]]
        assert len(numbers) == len({*numbers}), "a panel's number is its own"
        assert all(link["includeVars"] for link in board["links"])
        known = {variable["name"] for variable in board["templating"]["list"]}
        used = set(re.findall(r"\$([a-z]\w*)", json.dumps(board["panels"])))
        assert used <= known, f"{name} uses a variable that it has not"
        for panel in board["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24
