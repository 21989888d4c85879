"""Every combination that differs in its code or its dependencies is installed, its types hold, and
its pipelines compile. Projects of one framework share an environment, as they share most packages.
"""

import json
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.project import environment
from support.rendering import Renderings, files

_seen: set[str] = set()


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("environments")


def built_from(project: Path) -> str:
    """What decides how a project is built: its code, its dependencies and its tools' settings."""
    settings = tomllib.loads((project / "pyproject.toml").read_text())
    for key in ("license", "description", "authors", "keywords"):
        settings["project"].pop(key, None)
    code = {
        str(path): (project / path).read_text() for path in files(project) if path.suffix == ".py"
    }
    return json.dumps([settings, code])


def test_it_is_installed_its_types_hold_and_its_pipelines_compile(
    row: dict[str, Any], renderings: Renderings, environments: Path, tmp_path: Path
) -> None:
    rendered = renderings(**row)
    source = built_from(rendered)
    if source in _seen:
        return
    project = tmp_path / "project"
    shutil.copytree(rendered, project)
    (project / ".venv").mkdir()  # where make notes that it is set up
    shared = environments / row.get("framework", "default")
    more = {
        "UV_PROJECT_ENVIRONMENT": str(shared),
        "MYPY_CACHE_DIR": str(environments / f"mypy-{shared.name}"),
    }
    done = subprocess.run(
        ["make", "--no-print-directory", "setup", "lint-types", "lint-imports", "compile"],
        cwd=project,
        env=environment() | more,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    names = ["training", "batch_prediction"] if row.get("batch_scoring") else ["training"]
    for name in names:
        [spec, *_] = yaml.safe_load_all((project / "build" / f"{name}.yaml").read_text())
        assert {"pipelineInfo", "deploymentSpec", "root", "components"} <= spec.keys()
    _seen.add(source)
    shutil.rmtree(project)
