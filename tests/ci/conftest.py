"""One light project, set up once, with the files of both CIs."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from support import gitlab, rendering
from support.actions import GitHub, copy
from support.project import Project

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


@pytest.fixture(scope="session")
def vertex(renderings: rendering.Renderings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for Vertex AI, with an endpoint."""
    folder = tmp_path_factory.mktemp("ci") / "vertex"
    return with_both(renderings, folder, platform="vertex", serving_platform="vertex")


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


@dataclass
class Proposed:
    """A project whose template has a new release: `origin` is its repository, `clone` a job's."""

    template: Path
    origin: Path
    clone: Path

    def clone_anew(self) -> None:
        """A clone as CI makes it: of one commit, at main."""
        shutil.rmtree(self.clone, ignore_errors=True)
        command = ["git", "clone", "-q", "--depth", "1", self.origin.as_uri(), str(self.clone)]
        subprocess.run(command, check=True)

    def release(self, tag: str, text: str) -> None:
        """A release of the template: a line at the head of the Makefile, and what is new."""
        makefile = self.template / "template" / "Makefile.jinja"
        makefile.write_text(f"# {text}\n{makefile.read_text()}")
        changelog = self.template / "CHANGELOG.md"
        news = f"## {tag.removeprefix('v')}\n\n- {text}\n\n"
        changelog.write_text(changelog.read_text().replace("## ", f"{news}## ", 1))
        rendering.commit(self.template, f"Release {tag}")
        rendering.git(self.template, "tag", tag)

    def main(self, change: Callable[[Path], None]) -> None:
        """A commit of the owner on main."""
        self.clone_anew()
        change(self.clone)
        rendering.commit(self.clone, "The owner's change")
        rendering.git(self.clone, "push", "-q", "origin", "HEAD")
        self.clone_anew()

    def proposal(self, path: str) -> str:
        """A file on the branch that the job has pushed."""
        return rendering.git(self.origin, "show", f"template-update:{path}")


@pytest.fixture
def proposed(template: Path, tmp_path: Path) -> Proposed:
    """A light project of the first release in these tests, with the files of both CIs."""
    source = tmp_path / "template"
    rendering.git(template, "clone", "-q", str(template), str(source))
    owner = rendering.render(source, tmp_path / "owner", ref=rendering.TAG, **LIGHT, ci="none")
    for ci, names in (("github", [".github"]), ("gitlab", [".gitlab", ".gitlab-ci.yml"])):
        other = rendering.render(source, tmp_path / ci, ref=rendering.TAG, **LIGHT, ci=ci)
        for name in names:
            copy(other / name, owner / name)
    rendering.git(owner, "init", "-q", "-b", "main")
    rendering.commit(owner, "The project")
    origin = tmp_path / "project.git"
    rendering.git(owner, "clone", "-q", "--bare", str(owner), str(origin))
    made = Proposed(source, origin, tmp_path / "clone")
    made.clone_anew()
    return made
