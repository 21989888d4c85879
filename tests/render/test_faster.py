"""What support/faster.py takes out of Copier changes nothing that Copier writes."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from copier._main import Worker

from support import faster
from support.project import environment
from support.rendering import TAG, Renderings, commit, files, git, render, update

WHOLE = {
    "platform": "kubeflow",
    "serving_platform": "kserve",
    "gitops": "flux",
    "observability": True,
    "project_name": "数字 {{ and }} \\ more",
    "project_slug": "a-sorter",
}


def contents(project: Path) -> dict[Path, tuple[bytes, int]]:
    found = (path for path in files(project) if ".git" not in path.parts)
    return {p: ((project / p).read_bytes(), (project / p).stat().st_mode) for p in found}


def by_program(*arguments: object) -> None:
    command = ["copier", *map(str, arguments), "--defaults", "--quiet"]
    subprocess.run(command, check=True, env=environment(), capture_output=True)


@pytest.mark.parametrize("answers", [{}, WHOLE], ids=["default", "whole"])
def test_a_project_is_the_same(
    answers: dict[str, Any], template: Path, renderings: Renderings, tmp_path: Path
) -> None:
    given = [part for key, value in answers.items() for part in ("-d", f"{key}={value}")]
    by_program("copy", *given, "--vcs-ref=HEAD", template, tmp_path / "project")
    assert contents(tmp_path / "project") == contents(renderings(**answers))


@pytest.mark.slow  # its program takes long
def test_an_update_is_the_same(template: Path, tmp_path: Path) -> None:
    projects = []
    for name in ("program", "tests"):
        project = render(template, tmp_path / name / "project", ref=TAG)
        (project / "README.md").write_text("Mine.\n")
        git(project, "init", "-q")
        commit(project, "The project")
        projects.append(project)
    by_program("update", "-d", "ci=gitlab", projects[0])
    update(projects[1], ci="gitlab")
    first, second = map(contents, projects)
    assert first == second
    assert Path(".gitlab-ci.yml") in first


def test_it_is_at_work() -> None:
    assert Worker._render_string is faster.rendered
