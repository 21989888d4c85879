"""An existing repository comes under the template, as docs/how-to/adopt-the-template.md says."""

import re
import subprocess
from pathlib import Path

import pytest

from support import owners, rendering
from support.project import Project, environment
from support.questions import ROOT
from support.rendering import TAG, commit, git

PAGE = (ROOT / "docs" / "how-to" / "adopt-the-template.md").read_text()
TARGET = "\n.PHONY: ours\nours: ## our own\n\t@$(TOOL) python thing/train.py\n"
THEIRS = {
    "README.md": "# Ours\n\nA plain repository.\n",
    "Makefile": "ours:\n\tpython thing/train.py\n",
    "pyproject.toml": '[project]\nname = "thing"\nversion = "1"\n',
    ".gitignore": "*.csv\n",
    "thing/train.py": 'print("trained")\n',
    "tests/test_thing.py": "def test_thing():\n    assert True\n",
    "data.csv": "a,label\n1,x\n",
}
BOTH = {"README.md", "Makefile", "pyproject.toml", ".gitignore"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "a repository"
    for name, text in THEIRS.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    git(path, "init", "-q", "-b", "main")
    git(path, "add", "--all", "--force")
    commit(path, "As it was")
    return path


def commands() -> list[str]:
    """Those of the page that call Copier."""
    return re.findall(r"^uvx (copier .*)$", PAGE, re.MULTILINE)


def copier(command: str, template: Path, cwd: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """One of the page's commands, with the template's address, and answers where it asks."""
    words = [word.strip("'") for word in command.split()]
    words = [str(template) if word.startswith("URL-OR-") else word for word in words]
    return subprocess.run(
        [*words, *more], cwd=cwd, env=environment(), capture_output=True, text=True, check=False
    )


def theirs(repository: Path) -> dict[str, str]:
    return {name: (repository / name).read_text() for name in THEIRS}


def test_without_a_word_nothing_is_overwritten(repository: Path, template: Path) -> None:
    done = copier("copier copy --defaults URL-OR-PATH .", template, repository)
    assert done.returncode != 0, "nobody could be asked"
    assert "conflict" in done.stderr
    assert theirs(repository) == THEIRS


def adopt(repository: Path, template: Path) -> None:
    """The page's first two sections: theirs is kept, then merged by hand."""
    copy, recopy = commands()
    answers = ["--defaults", "--data=framework=sklearn", f"--vcs-ref={TAG}"]
    done = copier(copy, template, repository, *answers)
    assert done.returncode == 0, done.stderr
    assert theirs(repository) == THEIRS
    commit(repository, "The template's files")
    done = copier(recopy, template, repository, f"--vcs-ref={TAG}")
    assert done.returncode == 0, done.stderr
    assert set(git(repository, "diff", "--name-only").split()) == BOTH
    makefile = repository / "Makefile"
    makefile.write_text(makefile.read_text() + TARGET)
    ignored = repository / ".gitignore"
    ignored.write_text(THEIRS[".gitignore"] + ignored.read_text())
    commit(repository, "Merged")


def test_it_becomes_a_project_that_updates(
    repository: Path, template: Path, tmp_path: Path
) -> None:
    adopt(repository, template)
    clone = tmp_path / "template"
    git(template, "clone", "-q", str(template), str(clone))
    makefile = clone / "template" / "Makefile.jinja"
    makefile.write_text("# A new line.\n" + makefile.read_text())
    commit(clone, "A release")
    git(clone, "tag", "v0.2.0")
    answers = repository / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(str(template), str(clone)))
    commit(repository, "The template moved")
    rendering.update(repository)
    fresh = rendering.render(clone, tmp_path / "fresh", ref="v0.2.0", framework="sklearn")
    own: owners.Expected = {Path(name): None for name in THEIRS.keys() - BOTH}
    own[Path("Makefile")] = lambda text: text + TARGET
    own[Path(".gitignore")] = lambda text: THEIRS[".gitignore"] + text
    owners.assert_fresh_but(repository, fresh, own)


@pytest.mark.slow
def test_it_runs(repository: Path, template: Path) -> None:
    adopt(repository, template)
    project = Project(repository)
    project.make("setup")
    assert "trained" in project.make("ours").stdout
    project.make("test", "ARGS=tests/test_thing.py tests/test_data.py tests/test_train.py")
    project.make("lint")
    assert "accepted" in project.make("run").stdout
