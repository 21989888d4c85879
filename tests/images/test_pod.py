"""What a pod runs: the program that fetches its model, then the server, on the volume of both.

Here by the engine; on a cluster in tests/cluster.
"""

import hashlib
import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support import engine, rendering
from support.engine import docker
from support.project import environment, free_port, get

pytestmark = pytest.mark.slow  # on a cluster, the default run deploys: tests/cluster/test_deploy.py

# The security context of deploy/base.
RESTRICTED = (*engine.RESTRICTED[:-1], "--user=10001:10001")
FETCH = ("python", "-m", "blueprint.serving.fetch")
MORE_MEGABYTES = 20  # that the program may add to the server's image
NAME = "other"


@pytest.fixture
def pinned(other: Any) -> dict[str, str]:
    """The variables of a pod that is pinned to the champion, whose files are in /source."""
    [version] = re.findall(r"^ *(\d+) .*champion", other.project.make("models").stdout, re.M)
    pointer = json.loads((other.project.path / f".mlops/store/{NAME}/current.json").read_text())
    assert pointer["version"] == version
    sha256 = pointer["sha256"]
    uri = f"/source/{NAME}/{version}-{sha256[:12]}"
    return {"MODEL_VERSION": version, "MODEL_SHA256": sha256, "MODEL_URI": uri}


@pytest.fixture
def volume(other: Any) -> Iterator[str]:
    """An empty volume that user 10001 may write to, as fsGroup has it."""
    name = docker("volume", "create")
    image = other.reference("serving")
    docker("run", "--rm", "--user=0", f"--volume={name}:/v", image, "chown", "10001", "/v")
    yield name
    docker("volume", "rm", "--force", name)


def options(variables: dict[str, str]) -> list[str]:
    return [f"--env={name}={value}" for name, value in variables.items()]


def fetch(other: Any, variables: dict[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    store = f"--volume={other.project.path}/.mlops/store:/source:ro"
    command = ["docker", "run", "--rm", *RESTRICTED, store, *options(variables), *more]
    command += [other.reference("serving"), *FETCH]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def server(image: str, variables: dict[str, str], *mounts: str) -> Iterator[tuple[str, str]]:
    """The server beside it, whose mount is read-only: its container and its address."""
    port = free_port()
    publish = f"--publish=127.0.0.1:{port}:8080"
    name = docker("run", "--detach", *RESTRICTED, publish, *mounts, *options(variables), image)
    try:
        yield name, f"http://127.0.0.1:{port}"
    finally:
        docker("rm", "--force", name)


def ready(url: str) -> Any:
    """The version that the server answers with, once it is ready."""
    end = time.monotonic() + 60
    while (answer := get(f"{url}/readyz"))[0] != 200:
        assert time.monotonic() < end, answer
        time.sleep(0.05)
    return json.loads(answer[1])["version"]


def test_a_pod_fetches_its_model_and_serves_it(
    other: Any, pinned: dict[str, str], volume: str
) -> None:
    done = fetch(other, pinned, f"--volume={volume}:/models")
    assert done.returncode == 0, done.stderr
    mount = f"--volume={volume}:/models:ro"
    with server(other.reference("serving"), pinned, mount) as (_, url):
        assert ready(url) == pinned["MODEL_VERSION"]
        shown = other.project.make("conformance", f"URL={url}").stdout
        assert ", 0 failed" in shown


def test_a_pod_without_its_model_says_why(other: Any, pinned: dict[str, str], volume: str) -> None:
    mount = f"--volume={volume}:/models"
    for change, text in (
        ({"MODEL_SHA256": "0" * 64}, "not those that were registered"),
        ({"MODEL_URI": "/source/gone"}, "/source/gone"),
        ({"MODEL_VERSION": "", "MODEL_SHA256": "", "MODEL_URI": ""}, "`make deploy` pins"),
    ):
        done = fetch(other, pinned | change, mount)
        assert (done.returncode, done.stdout) == (1, "")
        [line] = done.stderr.splitlines()
        assert text in line
    small = fetch(other, pinned, "--tmpfs=/models:size=20k,uid=10001")
    assert small.returncode == 1
    assert "sizeLimit" in small.stderr
    find = ("find", "/models/.", "-mindepth", "1")
    assert not docker("run", "--rm", mount, other.reference("serving"), *find)


def test_kubernetes_is_told_the_reason(
    other: Any, pinned: dict[str, str], volume: str, tmp_path: Path
) -> None:
    log = tmp_path / "termination-log"
    log.touch()
    log.chmod(0o666)
    mounts = (f"--volume={volume}:/models", f"--volume={log}:/dev/termination-log")
    done = fetch(other, pinned | {"MODEL_URI": "/source/gone"}, *mounts)
    assert f"error: {log.read_text()}" == done.stderr
    log.write_text("")
    assert fetch(other, pinned, *mounts).returncode == 0
    assert log.read_text() == ""


def test_a_server_serves_no_other_version_than_its_pod_s(
    other: Any, pinned: dict[str, str], volume: str
) -> None:
    assert fetch(other, pinned, f"--volume={volume}:/models").returncode == 0
    another, mount = pinned | {"MODEL_VERSION": "99"}, f"--volume={volume}:/models:ro"
    with server(other.reference("serving"), another, mount) as (name, _):
        assert docker("wait", name) == "1"
        assert "the pod is pinned to version 99" in engine.logs(name)


def test_the_files_that_kserve_brings_are_served(other: Any, pinned: dict[str, str]) -> None:
    """Its storage initializer writes them where the store would be."""
    source = other.project.path / ".mlops/store" / pinned["MODEL_URI"].removeprefix("/source/")
    variables = pinned | {"MLOPS_SERVING__STORE": "/mnt/models"}
    mount = f"--volume={source}:/mnt/models:ro"
    with server(other.reference("serving"), variables, mount) as (_, url):
        assert ready(url) == pinned["MODEL_VERSION"]


def test_the_program_is_small(other: Any) -> None:
    script = "du -sm --apparent-size /app/.venv/lib/python3*/site-packages/obstore | cut -f1"
    added = docker("run", "--rm", other.reference("serving"), "sh", "-c", script)
    assert int(added) <= MORE_MEGABYTES


def test_a_version_is_an_image_of_its_own(
    other: Any, pinned: dict[str, str], registry: str, tmp_path: Path
) -> None:
    said = other.project.make("model-image", f"REGISTRY={registry}/team").stdout
    image = other.images["model"]
    tag = f"{pinned['MODEL_VERSION']}-{pinned['MODEL_SHA256'][:12]}"
    assert image["reference"] == f"{NAME}-model:{tag}"
    assert re.fullmatch(rf"{registry}/team/{NAME}-model@sha256:[0-9a-f]{{64}}", image["pushed"])
    assert image["pushed"] in said
    labels = engine.inspect(image["reference"])["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == pinned["MODEL_VERSION"]
    assert labels["model.files_sha256"] == pinned["MODEL_SHA256"]
    assert {"mlflow.run", "data.train_hash", "org.opencontainers.image.revision"} <= {*labels}

    docker("image", "rm", "--force", image["reference"], f"{registry}/team/{image['reference']}")
    other.project.make("model-image", f"REGISTRY={registry}/team")
    assert other.images["model"]["pushed"] == image["pushed"], "the same version, another digest"

    # A volume of it is what the server reads; this engine mounts none, so its files are taken out.
    container = docker("create", image["reference"], "/none")
    (tmp_path / "models").mkdir()
    docker("cp", f"{container}:/{NAME}", str(tmp_path / "models"))
    docker("rm", container)
    assert (tmp_path / "models" / NAME).is_dir()
    mount = f"--volume={tmp_path}/models:/models:ro"
    with server(other.reference("serving"), pinned, mount) as (_, url):
        assert ready(url) == pinned["MODEL_VERSION"]


def test_beside_tensorflow_serving_it_has_its_own_image(template: Path, tmp_path: Path) -> None:
    engine.need_engine()
    answers = {"serving_runtime": "tf-serving", "platform": "kubeflow"}
    project = rendering.render(template, tmp_path / "tf", **answers, serving_platform="kubernetes")
    uv = ["uv", "lock", "--quiet"]
    subprocess.run(uv, cwd=project, env=environment(), check=True, timeout=300)
    tag, given = "fetch:test", engine.build_arguments(project, "fetch").split()
    command = ["docker", "buildx", "build", "--load", *given, f"--tag={tag}"]
    subprocess.run(
        [*command, "--file=docker/fetch.Dockerfile", "."], cwd=project, check=True, timeout=900
    )
    model = tmp_path / "model"
    model.mkdir()
    (model / "signature.json").write_text("{}")
    listed = f"{hashlib.sha256(b'{}').hexdigest()}  signature.json\n"
    sha256 = hashlib.sha256(listed.encode()).hexdigest()
    variables = {"MODEL_VERSION": "7", "MODEL_SHA256": sha256, "MODEL_URI": "/m"}
    mounts = [f"--volume={model}:/m:ro", "--tmpfs=/models:uid=10001"]
    said = docker("run", "--rm", *RESTRICTED, *mounts, *options(variables), tag)
    assert said.startswith("version 7 of ")
    docker("image", "rm", "--force", tag)
