"""The dashboards by Grafana's own types: the package @grafana/schema, checked by TypeScript."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from support.rendering import Renderings

pytestmark = pytest.mark.slow  # npm asks a registry
PACKAGES = ("@grafana/schema@13.2.3", "typescript@5.9.3")  # the Grafana of monitoring/compose.yaml
KINDS = {"stat": "Stat", "table": "Table", "timeseries": "TimeSeries"}
PANELS = "@grafana/schema/dist/esm/raw/composable"
# In JSON, an enumeration's values are texts. What is left of a panel's options is its kind's.
HEAD = """\
import type { AnnotationQuery, Dashboard, DataQuery, Panel, RowPanel } from "@grafana/schema";
type Plain<T> = T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Target = { refId: string; expr: string; legendFormat: string; instant?: boolean;
  range?: boolean; format?: "table" | "time_series"; datasource: { type: string; uid: string } };
type Annotation = Plain<AnnotationQuery<DataQuery & { expr: string; interval: string }>>
  & { titleFormat?: string; textFormat?: string; tagKeys?: string };
"""


def typed(board: dict[str, Any]) -> str:
    """A dashboard as TypeScript: all of it, and each panel's options and queries as its kind's."""
    lines = []
    for panel in board["panels"]:
        if panel["type"] == "row":
            lines.append(f"({json.dumps(panel)}) satisfies Plain<RowPanel>;")
            continue
        kind = KINDS[panel["type"]]
        path = f'import("{PANELS}/{panel["type"]}/panelcfg/x/{kind}PanelCfg_types.gen")'
        lines.append(f"({json.dumps(panel)}) satisfies Plain<Panel>;")
        lines.append(f"({json.dumps(panel['options'])}) satisfies Partial<Plain<{path}.Options>>;")
        custom = panel["fieldConfig"]["defaults"].get("custom")
        if custom is not None:
            fields = f"Partial<Plain<{path}.FieldConfig>>"
            lines.append(f"({json.dumps(custom)}) satisfies {fields};")
        lines.append(f"({json.dumps(panel['targets'])}) satisfies Target[];")
    rest = {**board, "panels": [], "annotations": {}}
    lines.append(f"({json.dumps(board['annotations']['list'])}) satisfies Annotation[];")
    return "\n".join([HEAD, f"({json.dumps(rest)}) satisfies Plain<Dashboard>;", *lines]) + "\n"


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], str]:
    """What TypeScript says of a dashboard, "" for nothing."""
    folder = tmp_path_factory.mktemp("grafana")
    (folder / "package.json").write_text('{"private": true}')
    if not shutil.which("npm"):
        pytest.skip("npm: not installed (apt install npm)")
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode and not os.environ.get("REQUIRE_MONITORING"):
        pytest.skip(f"npm does not get {' and '.join(PACKAGES)}: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr

    def said(board: dict[str, Any]) -> str:
        (folder / "board.ts").write_text(typed(board))
        options = ["--strict", "--noEmit", "--skipLibCheck", "--target", "es2022"]
        options += ["--module", "preserve"]
        command = ["node_modules/.bin/tsc", *options, "board.ts"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        assert bool(done.stdout) == bool(done.returncode), done.stderr
        return done.stdout

    return said


@pytest.fixture(scope="module")
def boards(renderings: Renderings) -> dict[str, dict[str, Any]]:
    folder: Path = renderings(observability=True, drift_monitoring=True) / "monitoring/dashboards"
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


@pytest.mark.parametrize("name", ["service", "model", "pipeline", "drift"])
def test_a_dashboard_is_of_grafanas_types(name: str, check: Any, boards: Any) -> None:
    assert check(boards[name]) == ""


def test_what_grafana_does_not_know_is_noticed(check: Any, boards: Any) -> None:
    def wrong(change: Callable[[dict[str, Any], dict[str, Any]], object]) -> str:
        board = deepcopy(boards["service"])
        panel = next(each for each in board["panels"] if each["type"] == "timeseries")
        change(board, panel)
        return str(check(board))

    assert "refreshs" in wrong(lambda board, _: board.update(refreshs="5s"))
    assert "legends" in wrong(lambda _, panel: panel["options"].update(legends={}))
    assert "'string' is not assignable to type 'number'" in wrong(
        lambda _, panel: panel["fieldConfig"]["defaults"]["custom"].update(lineWidth="2")
    )
