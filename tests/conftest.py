"""Fixtures shared by every folder of tests."""

import os
from pathlib import Path
from typing import Any

import pytest

from support import faster, rendering
from support.rendering import Renderings
from tools import matrix


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "render every combination of so many answers (2: every pair)"
    parser.addoption("--strength", type=int, default=2, help=text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes a `row` is run for the answers of each project of the matrix."""
    if "row" in metafunc.fixturenames:
        rows = [
            # Where pytest-xdist goes by group: they share an environment.
            pytest.param(row, marks=pytest.mark.xdist_group(row.get("framework", "default")))
            for row in matrix.projects(metafunc.config.getoption("strength"))
        ]
        metafunc.parametrize("row", rows, ids=_label, scope="module")


def _label(row: dict[str, Any]) -> str:
    return "-".join(str(value)[:20] for value in row.values())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the tests of the matrix have covered, were it all of it or a part."""
    passed = terminalreporter.stats.get("passed", [])
    rows = [row for report in passed for key, row in report.user_properties if key == "row"]
    if rows:
        terminalreporter.write_line(matrix.summary(rows))


@pytest.fixture(scope="session", autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The machine's git and Copier settings stay out; uv's cache stays as it is."""
    rendering.isolate_git_and_copier(tmp_path_factory.mktemp("home"))
    faster.apply()


def _shared(factory: pytest.TempPathFactory) -> Path:
    """One folder for all workers of pytest-xdist."""
    base = factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def template(isolated: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree as a tagged git repository: one, as a project records where it came from.
    It is read, never changed.
    """
    return rendering.once(_shared(tmp_path_factory) / "template", rendering.snapshot)


@pytest.fixture(scope="session")
def renderings(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Renderings:
    """`renderings(framework="sklearn")` is the folder of that project, rendered once a session,
    for whichever worker of pytest-xdist asks first.
    """
    return Renderings(template, _shared(tmp_path_factory) / "renderings")


@pytest.fixture(scope="session")
def default(renderings: Renderings) -> Path:
    return renderings()
