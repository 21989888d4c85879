"""A project's life: made by the first release, given edits, upgraded to this one, changed in its
answers and back. After each, its own checks pass. The trees are compared in tests/update.
"""

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from support import changes, owners, rendering
from support.changes import Way
from support.project import Project
from support.rendering import Renderings, commit, git
from tools import releases

# What depends on the answers, or asks the owner's steps for something.
TESTS = "tests/test_data.py tests/test_train.py"
ALL = "--ignore=tests/blueprint"
# What no test of a project reads.
UNREAD = ("docs", "README.md", "LICENSE", ".copier-answers.yml", ".github", ".gitlab")
UNREAD += (".gitlab-ci.yml", "uv.lock")


@pytest.fixture(scope="module")
def history(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return releases.history(tmp_path_factory.mktemp("history") / "template")


def made(template: Path, folder: Path, ref: str, **answers: Any) -> Project:
    project = rendering.render(template, folder, ref=ref, **answers)
    git(project, "init", "-q", "-b", "main")
    (project / ".gitignore").write_text("uv.lock\n" + (project / ".gitignore").read_text())
    commit(project, "The project")
    return Project(project)


def check(project: Project, tests: str = TESTS) -> None:
    project.make("lint")
    project.make("test", f"ARGS=-q {tests}", timeout=1200)


def fingerprint(project: Path) -> str:
    """A digest of what decides how the project's tests end."""
    digest = hashlib.sha256()
    for name in git(project, "ls-files").splitlines():
        if Path(name).parts[0] not in UNREAD:
            text = (project / name).read_text(errors="replace")
            text = re.sub(r"^license = .*\n", "", text, flags=re.MULTILINE)
            digest.update(f"{name}\n{text}".encode())
    return digest.hexdigest()


def test_the_first_release_is_upgraded_and_changes_its_mind(history: Path, tmp_path: Path) -> None:
    first = releases.load()[0].tag
    project = made(history, tmp_path / "a project", first, framework="sklearn")
    owners.everything(project.path)
    commit(project.path, "What its owners did")
    rendering.update(project.path, trust=True)
    commit(project.path, "The upgrade")
    project.make("test", f"ARGS=-q {TESTS}", timeout=1200)  # its types are those of test_models.py
    project.make("upgrade", "YES=1", "ARGS=platform=kubeflow serving_runtime=bentoml ci=none")
    commit(project.path, "Another mind")
    project.make("lint-code", "lint-format", "lint-imports")  # of both, one mind after the other
    project.make("test", f"ARGS=-q {TESTS}")


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["tensorflow", "sklearn"])
@pytest.mark.parametrize("release", releases.load(), ids=lambda release: release.version)
def test_an_upgraded_release_passes_all_its_tests(
    release: releases.Release, framework: str, history: Path, tmp_path: Path
) -> None:
    project = made(history, tmp_path / "a project", release.tag, framework=framework)
    owners.edit_plumbing(project.path)
    commit(project.path, "What its owners did")
    rendering.update(project.path, trust=True)
    check(project, "")


@pytest.mark.slow
@pytest.mark.parametrize("way", changes.ways(), ids=str)
def test_its_tests_pass_after_each_change_of_mind(
    way: Way, template: Path, renderings: Renderings, tmp_path: Path
) -> None:
    """Another framework or task takes other steps of its owner: here those of a fresh project.
    Most ways end where others do: what has passed for one is not run again for the same files.
    """
    passed = renderings.folder.parent / "passed"
    passed.mkdir(exist_ok=True)
    project = made(template, tmp_path / "a project", rendering.TAG, **way.base)
    for value in way.values:
        rendering.update(project.path, **{way.axis: value})
        if way.axis in ("framework", "task"):
            fresh = renderings(**{**way.base, way.axis: value})
            for path in owners.steps(fresh):
                shutil.copy(fresh / path, project.path / path)
        commit(project.path, f"{way.axis}: {value}")
        known = passed / fingerprint(project.path)
        if known.exists():
            project.make("lint")
        else:
            check(project, ALL)
            known.touch()
