"""One light project, set up once, with the files of both CIs."""

import shutil
import sys
from pathlib import Path

import pytest
import yaml

from blueprint import gitlab, rendering
from blueprint.actions import GitHub
from blueprint.project import Project

STANDINS = Path(__file__).with_name("standins")
# The Python that is here, so that none is downloaded.
LIGHT = {
    "framework": "sklearn",
    "task": "tabular-classification",
    "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
}


@pytest.fixture(scope="session")
def gitlab_ci_local(pytestconfig: pytest.Config) -> Path:
    """The program, kept between sessions."""
    return gitlab.install(pytestconfig.cache.mkdir(gitlab.PACKAGE))


@pytest.fixture(scope="session")
def both(renderings: rendering.Renderings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with GitHub's files and GitLab's: the rest is the same. It is not set up."""
    return with_both(renderings, tmp_path_factory.mktemp("ci") / "both", platform="local")


@pytest.fixture(scope="session")
def kubeflow(renderings: rendering.Renderings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for Kubeflow."""
    return with_both(renderings, tmp_path_factory.mktemp("ci") / "kubeflow", platform="kubeflow")


def with_both(renderings: rendering.Renderings, folder: Path, **answers: str) -> Path:
    shutil.copytree(renderings(**LIGHT, **answers), folder)
    other = renderings(**LIGHT, **answers, ci="gitlab")
    shutil.copy(other / ".gitlab-ci.yml", folder)
    shutil.copytree(other / ".gitlab", folder / ".gitlab")
    rendering.git(folder, "init", "-q", "-b", "main")
    rendering.commit(folder, "The project")
    return folder


@pytest.fixture(scope="session")
def ready(both: Path) -> Project:
    """The project with both, set up, and with a lock, as its owner has it in git."""
    project = Project(both)
    base = both / "config" / "base.yaml"
    settings = yaml.safe_load(base.read_text())
    settings["train"]["epochs"] = 40
    base.write_text(yaml.safe_dump(settings))
    project.make("setup", timeout=900)
    rendering.commit(both, "Fewer epochs, and the lock")
    return project


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitHub:
    """GitHub with a stand-in for `gh`, whose state is in gh.json."""
    monkeypatch.setenv("GH_STATE", str(tmp_path / "gh.json"))
    return GitHub(tmp_path, commands=STANDINS)
