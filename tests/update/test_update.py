"""A project takes a new release of the template: the user's files stay the user's, the rest equals
a fresh project, and a changed answer is an update like any other.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from support import owners, rendering
from support.rendering import TAG, commit, files, git

NEXT = "v0.2.0"
LINE = "# A line that the next release of the template adds.\n"
PACKAGE = Path("src/digit_recognition")
STEP = PACKAGE / "train.py"


@pytest.fixture
def template(template: Path, tmp_path: Path) -> Path:
    """A clone that a test may release from; the session's own stays as it is."""
    clone = tmp_path / "template"
    git(template, "clone", "-q", str(template), str(clone))
    return clone


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    """A project made from the first release, committed."""
    path = rendering.render(template, tmp_path / "a project", ref=TAG)
    git(path, "init", "-q", "-b", "main")
    commit(path, "The project")
    return path


def release(template: Path, change: Callable[[Path], None], tag: str = NEXT) -> None:
    """A release of the template with a change to its `template/` folder."""
    change(template / "template")
    commit(template, f"Release {tag}")
    git(template, "tag", tag)


def prepend(path: Path, text: str) -> None:
    path.write_text(text + path.read_text())


def edit_makefile(folder: Path) -> None:
    prepend(folder / "Makefile.jinja", LINE)


def tree(project: Path) -> dict[Path, str]:
    return {
        path: (project / path).read_text(errors="replace")
        for path in files(project)
        if path.parts[0] != ".git"
    }


def answers(project: Path) -> dict[str, str]:
    return yaml.safe_load((project / ".copier-answers.yml").read_text())


def assert_equal_but(project: Path, fresh: Path, *own: Path) -> None:
    """The two trees are equal but for the files that are the user's own."""
    left, right = tree(project), tree(fresh)
    for path in own:
        left.pop(path, None)
        right.pop(path, None)
    assert sorted(left) == sorted(right)
    for path in left:
        assert left[path] == right[path], path


def test_an_untouched_project_becomes_a_fresh_one(
    project: Path, template: Path, tmp_path: Path
) -> None:
    def change(folder: Path) -> None:
        edit_makefile(folder)
        (folder / "docs").mkdir(exist_ok=True)
        (folder / "docs" / "added.md").write_text("A page of the next release.\n")
        (folder / "{{package_name}}.txt.jinja").write_text("{{ project_name }}\n")
        next((folder / "config").glob("local.yaml*")).unlink()

    release(template, change)
    rendering.update(project)
    assert (project / "Makefile").read_text().startswith(LINE)
    assert (project / "digit_recognition.txt").read_text() == "Digit Recognition\n"
    assert not (project / "config" / "local.yaml").exists()
    assert answers(project)["_commit"] == NEXT
    assert_equal_but(project, rendering.render(template, tmp_path / "fresh", ref=NEXT))


def test_the_owners_code_is_theirs(project: Path, template: Path) -> None:
    def change(folder: Path) -> None:
        edit_makefile(folder)
        for path in [*(folder / "src/{{package_name}}").iterdir(), *(folder / "tests").iterdir()]:
            if path.is_file():
                prepend(path, LINE)

    mine = '"""My own model."""\n'
    (project / STEP).write_text(mine)
    own = project / PACKAGE / "my_features.py"
    own.write_text('"""My own features."""\n')
    commit(project, "My steps")
    release(template, change)
    rendering.update(project)
    assert (project / STEP).read_text() == mine
    assert own.exists()
    for path in owners.steps(project):
        assert LINE not in (project / path).read_text()
    for path in (PACKAGE / "pipeline.py", Path("tests/conftest.py"), Path("Makefile")):
        assert (project / path).read_text().startswith(LINE), path


def test_what_owners_delete_stays_deleted(project: Path, template: Path) -> None:
    test = Path("tests/test_train.py")
    for path in (STEP, test):
        (project / path).unlink()
    commit(project, "I train elsewhere")
    release(template, edit_makefile)
    rendering.update(project)
    assert not (project / STEP).exists()
    assert not (project / test).exists()


def test_edited_plumbing_is_merged(project: Path, template: Path, tmp_path: Path) -> None:
    mine = "\n.PHONY: mine\nmine: ## my own target\n\t@echo mine\n"
    makefile = project / "Makefile"
    makefile.write_text(makefile.read_text() + mine)
    commit(project, "My target")
    release(template, edit_makefile)
    rendering.update(project)
    fresh = rendering.render(template, tmp_path / "fresh", ref=NEXT)
    assert makefile.read_text() == (fresh / "Makefile").read_text() + mine
    assert_equal_but(project, fresh, Path("Makefile"))


def test_a_conflict_is_shown_and_not_lost(project: Path, template: Path) -> None:
    makefile = project / "Makefile"
    makefile.write_text("# My first line.\n" + makefile.read_text())
    commit(project, "My first line")
    release(template, edit_makefile)
    rendering.update(project)
    text = makefile.read_text()
    assert "# My first line." in text
    assert LINE in text
    assert "<<<<<<<" in text
