"""`make upgrade`, as the owner of a project types it: a look first, then the upgrade."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest

from support import rendering
from support.owners import contents
from support.project import Project
from support.rendering import TAG, commit, git
from support.runs import refused

NEXT, MIGRATING = "v0.2.0", "v0.3.0"
LINE = "# A line of the next release.\n"
NEWS = "- Something to be glad of."


@pytest.fixture(scope="module")
def released(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template with a release after the project's."""
    clone = tmp_path_factory.mktemp("released") / "template"
    git(template, "clone", "-q", str(template), str(clone))
    release(clone, NEXT)
    return clone


def release(template: Path, tag: str) -> None:
    makefile = template / "template" / "Makefile.jinja"
    makefile.write_text(LINE + makefile.read_text())
    changelog = template / "CHANGELOG.md"
    first = f"## {TAG[1:]}\n"
    assert first in changelog.read_text()
    section = f"## {tag[1:]}\n\n{NEWS}\n\n"
    changelog.write_text("# Changelog\n\n" + section + first + "\nThe first release.\n")
    commit(template, f"Release {tag}")
    git(template, "tag", tag)


@pytest.fixture(scope="module")
def original(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    with contextlib.chdir(folder):
        rendering.render(Path(os.path.relpath(released)), Path("project"), ref=TAG)
    path = folder / "project"
    git(path, "init", "-q", "-b", "main")
    commit(path, "The project")
    return path


@pytest.fixture
def project(original: Path, tmp_path: Path) -> Project:
    """A project of the first release, in a path with a space."""
    return Project(shutil.copytree(original, tmp_path / "a project"))


def test_it_shows_first_and_applies_what_it_showed(project: Project) -> None:
    before = contents(project.path)
    shown = project.make("upgrade").stdout  # nobody can be asked, so nothing is taken
    for words in (f"+{LINE}", f"{TAG} → {NEXT}", NEWS, "Nothing was changed", "2 files changed"):
        assert words in shown.replace("3 files changed", "2 files changed"), words
    assert contents(project.path) == before
    taken = project.make("upgrade", "YES=1").stdout
    assert shown.partition("Nothing was")[0] == taken.partition("Applied.")[0]
    assert (project.path / "Makefile").read_text() == LINE + before[Path("Makefile")]
    text = (project.path / "build" / "upgrade.md").read_text()
    assert text.startswith(f"# Template {TAG} → {NEXT}\n")
    assert NEWS in text
    commit(project.path, "The upgrade")
    assert "Nothing to do" in project.make("upgrade", "YES=1").stdout
    assert not (project.path / "build" / "upgrade.md").exists()
    assert git(project.path, "status", "--porcelain") == ""


@pytest.mark.slow
def test_a_terminal_is_asked(project: Project) -> None:
    shown = project.make_in_a_terminal("upgrade", "DRY=1")
    assert "Apply it?" not in shown
    shown = project.make_in_a_terminal("upgrade", typed=b"n\n")
    assert "Apply it? [y/N]" in shown
    assert git(project.path, "status", "--porcelain") == ""
    shown = project.make_in_a_terminal("upgrade", typed=b"y\n")
    assert "Applied." in shown
    assert (project.path / "Makefile").read_text().startswith(LINE)


def test_conflicts_are_foretold_and_listed(project: Project) -> None:
    makefile = project.path / "Makefile"
    makefile.write_text("# My first line.\n" + makefile.read_text())
    commit(project.path, "My first line")
    assert "Conflicts" in project.make("upgrade", "DRY=1").stdout
    done = project.make("upgrade", "YES=1", check=False)
    assert done.returncode == 2  # make's, for a recipe that failed
    assert "error: applied, with conflicts to settle" in done.stderr
    assert "in Makefile" in done.stderr
    text = makefile.read_text()
    assert "# My first line." in text
    assert LINE in text
    assert "- [ ] `Makefile`" in (project.path / "build" / "upgrade.md").read_text()
    assert git(project.path, "diff", "--name-only", "--diff-filter=U").split() == ["Makefile"]


@pytest.mark.slow
def test_answers_are_changed_by_it(project: Project) -> None:
    assert (
        "stay as they are"
        not in project.make("upgrade", "YES=1", "ARGS=ci=none license=MIT").stdout
    )
    assert not (project.path / ".github").exists()
    assert "MIT License" in (project.path / "LICENSE").read_text()


def test_steps_of_another_framework_are_said(project: Project) -> None:
    shown = project.make("upgrade", "DRY=1", "ARGS=framework=sklearn").stdout
    assert "framework was tensorflow, is sklearn: your data.py, train.py and tests stay" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ARGS=ci"], "KEY=VALUE"),
        (["ARGS=project_slug=other"], "docs/upgrades.md"),
        (["ARGS=colour=red"], "colour: no question of the template"),
        (["ARGS=ci=nobody"], "'nobody'"),
        (["ARGS=framework=xgboost"], "not for pictures"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_wrong_answer_is_one_line_and_changes_nothing(
    arguments: list[str], words: str, project: Project
) -> None:
    assert words in refused(project, "upgrade", "YES=1", *arguments)
    assert git(project.path, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("../moved", "the template at ../moved (_src_path in .copier-answers.yml): Local template"),
        ("https://127.0.0.1:9/t.git", "t.git (_src_path in .copier-answers.yml): fatal: "),
    ],
)
def test_a_template_that_is_not_there_is_named(
    project: Project, address: str, message: str
) -> None:
    answers = project.path / ".copier-answers.yml"
    lines = answers.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("_src_path")]
    answers.write_text("".join([*kept, f"_src_path: {address}\n"]))
    commit(project.path, "Another address")
    assert message in refused(project, "upgrade")


def test_what_is_not_committed_is_named(project: Project) -> None:
    (project.path / "notes.txt").write_text("mine\n")
    assert "commit or stash first: notes.txt" in refused(project, "upgrade")
    shutil.rmtree(project.path / ".git")
    assert "git init" in refused(project, "upgrade")


@pytest.mark.slow
def test_a_project_in_a_folder_of_a_repository(original: Path, tmp_path: Path) -> None:
    top = tmp_path / "repository"
    project = Project(shutil.copytree(original, top / "ml" / "digits", ignore=lambda *_: {".git"}))
    (top / "README.md").write_text("Many things.\n")
    git(top, "init", "-q", "-b", "main")
    commit(top, "Everything")
    project.make("upgrade", "YES=1")
    assert (project.path / "Makefile").read_text().startswith(LINE)
    assert sorted(path.name for path in top.iterdir()) == [".git", "README.md", "ml"]


def test_a_migration_runs_with_trust_alone(released: Path, original: Path, tmp_path: Path) -> None:
    template = tmp_path / "template"
    git(released, "clone", "-q", str(released), str(template))
    release(template, MIGRATING)
    project = Project(shutil.copytree(original, tmp_path / "project"))
    answers = project.path / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(str(released), str(template)))
    makefile = project.path / "Makefile"
    makefile.write_text(makefile.read_text() + "\nmine:\n\t@$(RUN) python mine.py\n")
    commit(project.path, "My target")
    assert "TRUST=1" in refused(project, "upgrade", "YES=1")
    assert git(project.path, "status", "--porcelain") == ""
    project.make("upgrade", "YES=1", "TRUST=1")
    assert "\t@$(TOOL) python mine.py\n" in makefile.read_text()
