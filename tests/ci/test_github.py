"""The `run:` steps of GitHub's workflows, run in order, do what the project's page on CI says."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.actions import FORK, PULL_REQUEST, PUSH, SCHEDULE, GitHub, load
from support.expressions import fill_in, holds
from support.project import Project
from support.rendering import commit, git

INPUTS = {"python-version": ""}  # that of the tests
UNCOMPARED = "**Not compared with a champion**"


@pytest.fixture
def project(ready: Project) -> Project:
    """On its main branch, with nothing trained."""
    start_anew(ready)
    return ready


def start_anew(project: Project) -> None:
    """What a fresh clone of main lacks is gone, but for the environment, which takes seconds."""
    git(project.path, "switch", "--quiet", "--discard-changes", "main")
    for name in (".mlops", "build"):
        shutil.rmtree(project.path / name, ignore_errors=True)


def change(project: Project, text: str, other: str) -> None:
    """A commit on a branch, as a pull request has it."""
    start_anew(project)
    git(project.path, "switch", "--quiet", "--force-create", "change")
    base = project.path / "config" / "base.yaml"
    assert text in base.read_text()
    base.write_text(base.read_text().replace(text, other))
    commit(project.path, "A change")


def state() -> dict[str, Any]:
    """What the stand-in for GitHub keeps."""
    return json.loads(Path(os.environ["GH_STATE"]).read_text())


def test_without_a_registry_nothing_is_compared_registered_or_deployed(
    project: Project, github: GitHub, tmp_path: Path
) -> None:
    github.run(project.path, "evaluate.yml", "run", PUSH, inputs=INPUTS)
    said = github.summary.read_text()
    assert said.startswith(UNCOMPARED)
    assert "| not compared | no champion yet | – |" in said
    assert not (project.path / ".mlops" / "store").exists()
    assert not github.caches.exists(), "a cache is evicted, and a gate with it"
    contexts = github.contexts(SCHEDULE)
    assert not holds(load(project.path, "retrain.yml")["jobs"]["run"]["if"], contexts)

    empty = tmp_path / "a machine that has no clone"
    shutil.copytree(project.path / ".github", empty / ".github")
    github.run(empty, "evaluate.yml", "comment", PULL_REQUEST)
    [comment] = state()["comments"]
    assert comment["body"] == "<!-- evaluation -->\n" + said

    report = github.artifact("evaluation") / "report.md"
    report.write_text("## Accepted\n")
    github.run(empty, "evaluate.yml", "comment", PULL_REQUEST)
    [comment] = state()["comments"]
    assert comment["body"] == "<!-- evaluation -->\n## Accepted\n", (
        "one comment, brought up to date"
    )


def test_a_registry_gets_what_is_retrained_and_lends_its_champion(
    project: Project, github: GitHub, tmp_path: Path
) -> None:
    github.variables = {"TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    done = github.run(project.path, "retrain.yml", "run", SCHEDULE)
    assert "version 1 is the champion in the registry" in "".join(step.output for step in done)
    assert not (project.path / ".mlops" / "store").exists(), "a job's folder is no deployment"

    change(project, "epochs: 40", "epochs: 2")
    github.summary.unlink()
    done = github.run(project.path, "evaluate.yml", "run", PULL_REQUEST, inputs=INPUTS)
    said = github.summary.read_text()
    assert UNCOMPARED not in said
    assert "| Champion (version 1) |" in said
    assert "not worse than version 1's − 0.03 |" in said
    assert "[register_model] left out" in "".join(step.output for step in done)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as registry:
        assert registry.execute("SELECT version FROM model_versions").fetchall() == [(1,)]


def test_a_fork_gets_neither_a_comment_nor_an_address(both: Path, github: GitHub) -> None:
    github.variables = {"TRACKING_URI": "https://mlflow.example.com"}
    evaluate = load(both, "evaluate.yml")["jobs"]
    address = "https://mlflow.example.com"
    for event, told in ((PULL_REQUEST, address), (FORK, ""), (PUSH, address)):
        contexts = github.contexts(event)
        assert holds(evaluate["comment"]["if"], contexts) == (event == PULL_REQUEST)
        assert fill_in(evaluate["run"]["env"]["TRACKING_URI"], contexts) == told


@pytest.mark.parametrize("target", ["lint-code", pytest.param("lint", marks=pytest.mark.slow)])
def test_a_check_passes(target: str, project: Project, github: GitHub) -> None:
    matrix = {"target": target}
    [*_, step] = github.run(
        project.path, "check.yml", "make", PULL_REQUEST, inputs=INPUTS, matrix=matrix
    )
    assert step.name == 'make "$TARGET"'


def test_a_check_fails_where_its_target_does(project: Project, github: GitHub) -> None:
    change(project, "epochs: 40", "epochs: many")
    matrix = {"target": "run"}
    with pytest.raises(AssertionError, match="valid integer"):
        github.run(project.path, "check.yml", "make", PULL_REQUEST, inputs=INPUTS, matrix=matrix)
