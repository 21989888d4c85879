"""Generated projects whose images are built once a session, and what runs in them.

The projects are used as their owners do: by make targets. Without an engine every test here is
skipped, with its reason; where REQUIRE_ENGINE is set, it fails.
"""

import contextlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support import engine, rendering
from support.engine import RESTRICTED, docker
from support.project import Project, free_port, get


@dataclass(frozen=True)
class Built:
    """A project with its images."""

    project: Project
    arguments: str  # for the engine's build, here

    @property
    def images(self) -> dict[str, dict[str, Any]]:
        """build/images.json."""
        text = (self.project.path / "build" / "images.json").read_text()
        images: dict[str, dict[str, Any]] = json.loads(text)
        return images

    def reference(self, kind: str) -> str:
        return str(self.images[kind]["reference"])

    def make(self, *arguments: str, variables: dict[str, str]) -> str:
        """`make ARGUMENTS` with variables in its environment; what it printed."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            return self.project.make(*arguments, timeout=900).stdout

    def make_images(self, *more: str) -> str:
        """`make images`; what it printed."""
        options = " ".join([self.arguments, "--progress=plain"])
        done = self.project.make("images", f"ARGS={options}", *more, timeout=900)
        return done.stdout + done.stderr


@dataclass(frozen=True)
class Container:
    """A model server in a container, as /readyz answers on this machine's `port`."""

    name: str
    port: int
    seconds: float  # from its start to the first good answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def pytest_runtest_logstart(location: tuple[str, int | None, str]) -> None:
    """These tests take seconds and more: say which one is at work."""
    print(f"\n  {location[2]} ", end="", flush=True)


@contextlib.contextmanager
def build(template: Path, folder: Path, **answers: Any) -> Iterator[Built]:
    """A project from the working tree with a champion and images, all of it committed.

    What it built leaves the engine when the block ends; the cache of its builds stays.
    """
    engine.need_engine()
    project = Project(rendering.render(template, folder, **answers))
    rendering.git(project.path, "init", "-q", "-b", "main")
    rendering.git(project.path, "remote", "add", "origin", "https://me:secret@example.com/a.git")
    arguments = engine.build_arguments(project.path)
    project.make("setup", timeout=900)
    rendering.commit(project.path, "The project as it was generated, and its lock")
    project.make("run")
    built = Built(project, arguments)
    start = time.perf_counter()
    said = built.make_images()
    print(f"\nmake images: {time.perf_counter() - start:.0f} s")
    print("\n".join(line for line in said.splitlines() if re.search(r"\d MB ", line)))
    try:
        yield built
    finally:
        tag = rendering.git(project.path, "rev-parse", "HEAD")[:12]
        listed = docker("image", "ls", "--format={{.Repository}}:{{.Tag}}").splitlines()
        docker("image", "rm", "--force", *[name for name in listed if f":{tag}" in name])


@pytest.fixture(scope="session")
def default(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """The default project: TensorFlow, pictures, the lean server."""
    with build(template, tmp_path_factory.mktemp("images") / "a default project") as built:
        yield built


@pytest.fixture(scope="session")
def other(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """scikit-learn, a table, BentoML, GitLab, served on Kubernetes."""
    folder = tmp_path_factory.mktemp("images") / "another project"
    answers = {"framework": "sklearn", "task": "tabular-classification", "project_slug": "other"}
    more = {"platform": "kubeflow", "batch_scoring": True, "serving_runtime": "bentoml"}
    more |= {"serving_platform": "kubernetes"}
    with build(template, folder, **answers, **more, ci="gitlab") as built:
        yield built


@pytest.fixture(scope="session")
def watched(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """scikit-learn, a table, the lean server, and everything that watches."""
    folder = tmp_path_factory.mktemp("images") / "a watched project"
    answers = {"framework": "sklearn", "task": "tabular-classification", "project_slug": "watched"}
    with build(template, folder, **answers, observability=True, drift_monitoring=True) as built:
        yield built


@contextlib.contextmanager
def serving(image: str, store: Path, status: int = 200) -> Iterator[Container]:
    """The server in its image, with the models in `store`, once /readyz answers `status`."""
    port = free_port()
    place = f"--publish=127.0.0.1:{port}:8080"
    start = time.perf_counter()
    name = docker("run", "--detach", *RESTRICTED, place, f"--volume={store}:/models:ro", image)
    try:
        while (now := get(f"http://127.0.0.1:{port}/readyz")[0]) != status:
            assert time.perf_counter() - start < 60, f"{now}\n{engine.logs(name)}"
            time.sleep(0.02)
        yield Container(name, port, time.perf_counter() - start)
    finally:
        docker("rm", "--force", name)


@pytest.fixture
def run_server() -> Callable[..., contextlib.AbstractContextManager[Container]]:
    return serving


@pytest.fixture(scope="session")
def default_server(default: Built) -> Iterator[Container]:
    with serving(default.reference("serving"), default.project.path / ".mlops/store") as server:
        yield server


@pytest.fixture(scope="session")
def other_server(other: Built) -> Iterator[Container]:
    with serving(other.reference("serving"), other.project.path / ".mlops/store") as server:
        yield server


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry on this machine, host and port."""
    program = shutil.which("docker-registry") or shutil.which("registry")
    if not program:
        engine.lacking("there is no registry to push to", "apt-get install docker-registry")
    folder = tmp_path_factory.mktemp("registry")
    address = f"127.0.0.1:{free_port()}"
    settings = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": address},
    }
    (folder / "config.yml").write_text(json.dumps(settings))
    with (folder / "log").open("w") as log:
        command = [str(program), "serve", str(folder / "config.yml")]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 20
        while get(f"http://{address}/v2/")[0] != 200 and time.monotonic() < end:
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(20)
