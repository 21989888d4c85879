"""Generated projects, set up once a session, in a path with a space.

The tests of a project share its state (`.mlops/`), as a user's days do; each brings it to where it
starts through a fixture, so any of them runs alone.
"""

from pathlib import Path

import pytest

from blueprint import rendering
from blueprint.project import Project


def pytest_runtest_logstart(location: tuple[str, int | None, str]) -> None:
    """These tests take seconds and more: say which one is at work."""
    print(f"\n  {location[2]} ", end="", flush=True)


def made(template: Path, folder: Path, **answers: str) -> Project:
    """A project from the working tree, committed and set up."""
    project = Project(rendering.render(template, folder, **answers))
    rendering.git(project.path, "init", "-q", "-b", "main")
    rendering.commit(project.path, "The project as it was generated")
    project.make("setup", timeout=900)
    return project


@pytest.fixture(scope="session")
def project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The default project, set up; nothing is trained yet."""
    return made(template, tmp_path_factory.mktemp("e2e") / "a default project")


@pytest.fixture(scope="session")
def other_project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The choices that the default project does not take."""
    folder = tmp_path_factory.mktemp("e2e") / "another project"
    answers = {"framework": "sklearn", "data_source": "fashion-mnist", "ci": "none"}
    return made(template, folder, **answers)
