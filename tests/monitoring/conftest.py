"""A project that is watched: set up, trained, and asked for predictions; with the real programs.

They are those that PATH has first: another Prometheus is tested by putting its folder there.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import rendering
from support.project import Project
from support.projects import made
from support.watched import TABLE, Watched, need, watching

# A room of the server that does wrong when a file says so: the faults are in a real server.
FAULTS = Path(__file__).with_name("faults.py")


@pytest.fixture(scope="session")
def trained(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("monitoring") / "a watched project"
    answers: dict[str, Any] = {"observability": True, "drift_monitoring": True, "ci": "none"}
    project = made(template, folder, **TABLE, **answers)
    room = project.path / "src/blueprint/serving/faults"
    room.mkdir()
    shutil.copy(FAULTS, room / "__init__.py")
    rendering.commit(project.path, "A room that does wrong when it is told to")
    project.make("run", timeout=1200)
    return project


@pytest.fixture(scope="session")
def watched(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    need("prometheus", "prometheus-alertmanager", "prometheus-pushgateway")
    with watching(trained, tmp_path_factory.mktemp("watching")) as found:
        yield found
