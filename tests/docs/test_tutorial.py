"""The tutorial, walked as its reader walks it; and what a living project says of itself."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import owners
from support.project import Project, environment
from support.questions import ROOT
from support.rendering import git
from support.runs import champion
from tools import cli_page, make_page
from tools.walkthrough import TEMPLATE, Walk, walk

PAGE = ROOT / "docs" / "tutorial.md"


@pytest.fixture(scope="module")
def walked(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The reader's project at the end of the page."""
    folder = tmp_path_factory.mktemp("a reader")
    git(template, "clone", "-q", str(template), str(folder / TEMPLATE))
    with Walk(folder) as walking:
        assert walk(PAGE, walking) == [], "mend the page: nox -s tutorial -- --write"
        yield Project(walking.place)


def test_every_command_of_the_tutorial_prints_what_it_shows(walked: Project) -> None:
    assert champion(walked) == "1", "the page ends with a rollback"


def test_the_projects_tests_hold_whatever_the_reader_trains(walked: Project) -> None:
    walked.make("test")


def test_what_the_reader_wrote_is_in_the_projects_style(walked: Project) -> None:
    walked.make("lint-code", "lint-format")


def test_the_reference_of_the_command_line_is_what_help_says(walked: Project) -> None:
    python = walked.path / ".venv" / "bin" / "python"
    command = [str(python), "-m", "blueprint.cli", "--help"]
    shown = subprocess.run(
        command, cwd=walked.path, env=environment(), capture_output=True, text=True, check=True
    ).stdout
    listed = re.findall(r"^  ([a-z][a-z-]+)  ", shown.partition("Commands:")[2], re.MULTILINE)
    every = cli_page.commands()
    assert {name for name, (answers, _) in every.items() if not answers} <= set(listed)
    assert set(listed) <= set(every)


def test_the_reference_of_the_targets_is_what_make_help_says(walked: Project) -> None:
    shown = walked.make("help").stdout
    targets = dict(make_page.HELP.findall(make_page.makefile(**owners.answers(walked.path))))
    listed = [name for line in shown.splitlines() for name in line[10:33].strip().split(", ")]
    assert sorted(filter(None, listed)) == sorted(targets)
