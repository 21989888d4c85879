"""Another project's images: pushed, behind a closed network, by another engine, in the stack."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import engine, gitlab, rendering
from support.engine import docker
from support.index import PASSWORD, Index, closed_index
from support.project import environment, free_port, get
from support.runs import champion, lines_of, refused

STANDINS = Path(__file__).with_name("standins")
COMPOSE = "docker/compose.yaml"


# The server: BentoML


def test_bentoml_s_server_is_conformant_in_its_image(other: Any, other_server: Any) -> None:
    shown = other.project.make("conformance", f"URL={other_server.url}").stdout
    assert ", 0 failed" in shown


def test_it_stops_when_told(other_server: Any) -> None:
    """Last of the server's: it is stopped then."""
    start = time.monotonic()
    docker("stop", "--time=10", other_server.name)
    assert time.monotonic() - start < 10
    code = docker("inspect", "--format={{.State.ExitCode}}", other_server.name)
    assert code == "0", engine.logs(other_server.name)


# A registry


def test_gitlabs_job_pushes_the_images_and_publishes_the_pipelines(
    other: Any, registry: str, pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    program = gitlab.install(pytestconfig.cache.mkdir(gitlab.PACKAGE))
    jobs = other.project.path / ".gitlab" / "ci" / "images.yml"
    # The engine is this machine's, and no service beside the job.
    jobs.write_text(jobs.read_text().replace("  services:\n    - docker:29-dind\n", ""))
    variables = {
        "CI_REGISTRY": registry,
        "REGISTRY": f"{registry}/team/project",
        "CI_REGISTRY_USER": "the job",
        "CI_REGISTRY_PASSWORD": "its token",
        "DOCKER_HOST": os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"),
        "DOCKER_TLS_VERIFY": "",
        "DOCKER_CERT_PATH": "",
        "DOCKER_CONFIG": str(tmp_path),  # the login is kept there
        "UV_PYTHON": f"{sys.version_info.major}.{sys.version_info.minor}",  # of this machine
        "PYTHON_IMAGE": engine.python_image(other.project.path),
    }
    gitlab.Runner(program, other.project.path)("images", **variables)
    for kind in ("pipeline", "serving"):
        assert other.images[kind]["pushed"].startswith(
            f"{registry}/team/project/other-{kind}@sha256:"
        )
    pipeline = (other.project.path / "build" / "training.yaml").read_text()
    assert f"image: {other.images['pipeline']['pushed']}\n" in pipeline


def test_a_push_is_remembered_by_digest_and_compiled(other: Any, registry: str) -> None:
    other.project.make("push", f"REGISTRY={registry}/team")
    for kind in ("pipeline", "serving"):
        pushed = other.images[kind]["pushed"]
        name, _, digest = pushed.partition("@")
        assert name == f"{registry}/team/other-{kind}"
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
        url = f"http://{registry}/v2/team/other-{kind}/manifests/{digest}"
        kinds = "application/vnd.docker.distribution.manifest.v2+json"
        asked = urllib.request.Request(url, headers={"Accept": kinds})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert answer.headers["Docker-Content-Digest"] == digest
    other.project.make("compile")
    for name in ("training", "batch_prediction"):
        text = (other.project.path / "build" / f"{name}.yaml").read_text()
        images = set(re.findall(r"^\s+image: (\S+)$", text, re.MULTILINE))
        assert images == {other.images["pipeline"]["pushed"]}


def test_a_push_to_nowhere_says_so(other: Any) -> None:
    assert "REGISTRY" in refused(other.project, "push")
    assert "log in" in refused(other.project, "push", "REGISTRY=127.0.0.1:1/team")


def test_compile_warns_of_an_image_of_other_code(other: Any) -> None:
    step = other.project.path / "src" / "other" / "train.py"
    code = step.read_text()
    try:
        step.write_text(code + "\n# A change.\n")
        assert "make images" in other.project.make("compile").stderr
    finally:
        step.write_text(code)
    assert "make images" not in other.project.make("compile").stderr


# Builds elsewhere


def clone(other: Any, folder: Path) -> Path:
    """The project as another person gets it: what is committed."""
    rendering.git(other.project.path, "clone", "-q", str(other.project.path), str(folder))
    return folder


def build_server(
    other: Any, project: Path, arguments: list[str], variables: dict[str, str]
) -> tuple[str, str]:
    """The server's image of a clone: its reference, and what its build said."""
    script = (
        "import sys; from blueprint import settings; from blueprint.targets import images;"
        "images.build(settings.load(), sys.argv[1:], ['serving'])"
    )
    python = other.project.path / ".venv" / "bin" / "python"
    done = subprocess.run(
        [python, "-c", script, *arguments],
        cwd=project,
        env={**environment(), "PYTHONPATH": str(project / "src"), **variables},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    built = json.loads((project / "build" / "images.json").read_text())
    return built["serving"]["reference"], done.stdout + done.stderr


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with closed_index(tmp_path_factory.mktemp("index")) as index:
        yield index


def test_a_closed_network_leaves_nothing_in_a_layer(
    other: Any, index: Index, tmp_path: Path
) -> None:
    """An index that wants a login, on TLS of an authority that only CA_BUNDLE names."""
    project = clone(other, tmp_path / "closed")
    known = {
        "CA_BUNDLE": str(index.ca_bundle),
        "NETRC": str(index.netrc),
        "PIP_INDEX_URL": index.url,
        "UV_DEFAULT_INDEX": index.url,
        "SSL_CERT_FILE": str(index.ca_bundle),  # for uv here; no build argument
    }
    lock = project / "uv.lock"
    lock.write_text(index.lock(lock.read_text()))
    assert index.url in lock.read_text()
    rendering.commit(project, "A lock of our own index")
    # All of it comes from the index: of the cache, only what another index gave is there.
    arguments = [other.arguments, "--network=host", "--no-cache", "--progress=plain"]
    reference, said = build_server(other, project, [*filter(None, arguments)], known)
    assert "onnxruntime" in said
    port = index.url.split("/")[2]
    marks = [port.encode(), PASSWORD.encode(), index.ca_bundle.read_bytes().splitlines()[1]]
    searched = 0
    for name, content in engine.saved(reference, engine.python_image(project)):
        searched += 1
        assert not [mark for mark in marks if mark in content], name
        assert not re.search(engine.LEFT, f"/{name}"), name
    assert searched > 1000
    docker("image", "rm", "--force", reference)


@pytest.mark.slow
def test_podman_builds_the_same_files(other: Any, tmp_path: Path) -> None:
    """Only the build: Debian's podman is poor at running where no systemd is."""
    if not shutil.which("podman"):
        engine.lacking("there is no podman", "apt-get install podman")
    base = engine.python_image(other.project.path)
    storage = tmp_path / "storage.conf"
    places = f'graphroot = "{tmp_path}/root"\nrunroot = "{tmp_path}/run"\n'
    storage.write_text(f'[storage]\ndriver = "overlay"\n{places}')
    variables = {"CONTAINERS_STORAGE_CONF": str(storage)}

    def podman(*arguments: str) -> str:
        command = ["podman", *arguments]
        env = {**environment(), **variables}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        return done.stdout

    try:
        docker("save", "--output", str(tmp_path / "base.tar"), base)
        podman("load", "--input", str(tmp_path / "base.tar"))
        variables |= {"CONTAINER_ENGINE": "podman", "PYTHON_IMAGE": f"docker.io/{base}"}
        project = clone(other, tmp_path / "clone")
        isolation = ["--network=host", "--isolation=chroot"]
        reference, _ = build_server(other, project, isolation, variables)
        config = json.loads(podman("image", "inspect", reference))[0]
        assert config["Config"]["User"] == "10001:10001"
        assert config["Healthcheck"]["Test"][0] == "CMD"
    finally:
        podman("system", "reset", "--force")


# The stack


@pytest.fixture(scope="module")
def stack(other: Any) -> Iterator[dict[str, str]]:
    """`make stack` on ports of its own: the variables that its make targets want."""
    standins = {"database": "postgres", "objects": "objects"}
    compose = (other.project.path / COMPOSE).read_text()
    for service, name in standins.items():
        found = re.search(rf"^  {service}:.*?^    image: (\S+)$", compose, re.MULTILINE | re.DOTALL)
        assert found
        if not engine.has(found[1]):
            _stand_in(found[1], name, engine.python_image(other.project.path))
    variables = {
        "MLOPS_REGISTRY__TRACKING_URI": f"http://127.0.0.1:{free_port()}",
        "MLOPS_SERVING__PORT": str(free_port()),
    }
    other.make("stack", f"ARGS={other.arguments}", variables=variables)
    try:
        yield variables
    finally:
        other.make("stack-down", "ARGS=--volumes", variables=variables)


def _stand_in(image: str, name: str, base: str) -> None:
    file = STANDINS / f"{name}.Dockerfile"
    options = (f"--build-arg=BASE={base}", f"--tag={image}", f"--file={file}")
    docker("buildx", "build", "--load", *options, str(STANDINS), timeout=600)


def test_a_run_reaches_the_stack_s_registry_and_server(other: Any, stack: dict[str, str]) -> None:
    before = champion(other.project)
    server = f"http://127.0.0.1:{stack['MLOPS_SERVING__PORT']}"
    _wait(f"{server}/readyz", 503)
    shown = other.make("run", "ENV=stack", variables=stack)
    assert "version 1 is in service" in lines_of(shown)["deploy_model"]
    assert champion(other.project) == before  # this laptop's own is another
    _wait(f"{server}/readyz")
    row = other.make("predict", f"PORT={stack['MLOPS_SERVING__PORT']}", variables=stack)
    assert "version 1, " in row


@pytest.mark.slow
def test_its_data_survive_a_restart(other: Any, stack: dict[str, str]) -> None:
    uri = stack["MLOPS_REGISTRY__TRACKING_URI"]
    other.make("stack-down", variables=stack)
    assert get(f"{uri}/health")[0] == 0
    other.make("stack", f"ARGS={other.arguments}", variables=stack)
    assert re.search(r"^\W*1\b", other.make("models", "ENV=stack", variables=stack), re.MULTILINE)
    card = other.make("report", "VERSION=1", "ENV=stack", variables=stack)  # from the object store
    page = other.project.path / card.strip().splitlines()[-1]
    assert "<html" in page.read_text()
    _wait(f"http://127.0.0.1:{stack['MLOPS_SERVING__PORT']}/readyz")


def test_it_listens_on_this_machine_alone(other: Any, stack: dict[str, str]) -> None:
    ports = docker("ps", "--filter=label=com.docker.compose.project=other", "--format={{.Ports}}")
    published = re.findall(r"(\S+):\d+->", ports)
    assert set(published) == {"127.0.0.1"}


def _wait(url: str, status: int = 200) -> None:
    end = time.monotonic() + 40
    while get(url)[0] != status and time.monotonic() < end:
        time.sleep(0.2)
    assert get(url)[0] == status
