"""Fixtures shared by every folder of tests."""

from pathlib import Path

import pytest

from blueprint import rendering


@pytest.fixture(scope="session", autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The machine's git and Copier settings stay out; uv's cache stays as it is."""
    rendering.isolate_git_and_copier(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def template(isolated: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree as a tagged git repository."""
    return rendering.snapshot(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def renderings(template: Path, tmp_path_factory: pytest.TempPathFactory) -> rendering.Renderings:
    """`renderings(framework="sklearn")` is the folder of that project, rendered once a session."""
    return rendering.Renderings(template, tmp_path_factory.mktemp("renderings"))


@pytest.fixture(scope="session")
def default(renderings: rendering.Renderings) -> Path:
    return renderings()
