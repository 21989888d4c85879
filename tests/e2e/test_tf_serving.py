"""TensorFlow Serving as the runtime: `make serve` with the official image, where it can be had, or
with stand-ins for the container engine and the model server's program. All between them is real.
"""

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import plumbing
from support.engine import has, unusable
from support.project import Project, Server, environment, get
from support.runs import Load, champion, deployed, post, refused

CLIENTS = Path(__file__).with_name("clients")
NAME = "digit-recognition"
# Takes the place of podman: what it would run in a container runs here.
ENGINE = """#!/bin/sh
case $1 in
  run) ;;
  *) exit 0 ;; # info, build
esac
for each; do
  case $each in
    --publish=127.0.0.1:*) PORT=${each#--publish=127.0.0.1:}; export PORT=${PORT%%:*} ;;
    --volume=*:/models:ro) MODELS=${each#--volume=}; export MODELS="${MODELS%:/models:ro}" ;;
    --env=MODEL_NAME=*) export MODEL_NAME="${each#--env=MODEL_NAME=}" ;;
  esac
done
CONFIG=$PWD/docker/tf-serving exec sh docker/tf-serving/serve.sh
"""


@pytest.fixture
def engine(tf_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container engine that has the image, or the stand-ins, on PATH."""
    dockerfile = (tf_project.path / "docker" / "serving.Dockerfile").read_text()
    [image] = re.findall(r"^ARG TF_SERVING_IMAGE=(\S+)$", dockerfile, re.MULTILINE)
    if not unusable() and has(image):
        return
    python = tf_project.path / ".venv" / "bin" / "python"
    program = CLIENTS / "tensorflow_model_server.py"
    scripts = {
        "podman": ENGINE,
        "tensorflow_model_server": f'#!/bin/sh\nexec "{python}" "{program}" "$@"\n',
    }
    for name, text in scripts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    path = environment()["PATH"]
    monkeypatch.setenv("PATH", f"{tmp_path}:{path}")
    monkeypatch.setenv("CONTAINER_ENGINE", "podman")


@pytest.fixture
def trained(tf_project: Project) -> str:
    """The version in service."""
    if not champion(tf_project):
        tf_project.make("run")
    version = champion(tf_project)
    assert version
    return version


@pytest.fixture
def served(tf_project: Project, trained: str, engine: None) -> Iterator[Server]:
    ready = f"/v1/models/{NAME}"  # it has no /readyz
    with tf_project.serve(ready=ready) as server:
        yield server


def test_it_is_conformant_where_its_protocol_is_ours(served: Server, tf_project: Project) -> None:
    shown = tf_project.make("conformance", f"URL={served.url}").stdout
    assert "skip  GET is no way to predict: it calls the request malformed" in shown
    assert "ok    predictions for 64 rows" in shown


def test_predict_asks_it_and_names_the_version(
    served: Server, tf_project: Project, trained: str
) -> None:
    shown = tf_project.make("predict", f"PORT={served.port}", "ARGS=--row 3").stdout
    assert f"test row 3, version {trained}, " in shown


def test_a_request_may_have_more_rows_than_a_batch(
    served: Server, tf_project: Project, trained: str
) -> None:
    example = json.loads((deployed(tf_project) / "example.json").read_text())
    status, answer, _ = post(served, NAME, {"instances": 200 * example["instances"]})
    assert status == 200, answer
    assert len(json.loads(answer)["predictions"]) == 200


def test_a_version_without_its_saved_model_is_repaired(tf_project: Project, trained: str) -> None:
    folder = deployed(tf_project)
    shutil.rmtree(folder / "saved_model")
    assert f"`make promote VERSION={trained}`" in refused(tf_project, "serve")
    tf_project.make("run")
    assert champion(tf_project) == trained
    assert (folder / "saved_model" / "1" / "saved_model.pb").exists()


def test_deployments_are_followed_without_a_failed_request(
    served: Server, tf_project: Project, trained: str
) -> None:
    rows = json.loads((deployed(tf_project) / "example.json").read_text())
    body = {"instances": rows["instances"]}
    with Load(served, NAME, body) as load:
        tf_project.make("run", "ARGS=train.seed=2")
        newest = champion(tf_project)
        assert newest != trained

        def available() -> set[str]:
            states = json.loads(get(f"{served.url}/v1/models/{NAME}")[1])["model_version_status"]
            return {each["version"] for each in states if each["state"] == "AVAILABLE"}

        end = time.monotonic() + 30
        while available() != {newest}:
            assert time.monotonic() < end
            time.sleep(0.1)
    assert {status for status, _ in load.answers} == {200}
    assert post(served, NAME, body)[0] == 200


def test_without_an_engine_it_says_what_to_do(
    tf_project: Project, trained: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTAINER_ENGINE", "podman-that-is-not-here")
    line = refused(tf_project, "serve")
    assert "TensorFlow Serving runs in a container" in line


def test_it_checks_itself(tf_project: Project) -> None:
    tf_project.make("lint")
    serving = str(plumbing.FOLDER / "serving")  # the rest is the default project's
    files = {file for file in plumbing.collected(tf_project) if file.startswith(serving)}
    assert any("serving_tf" in file for file in files)
    tf_project.make("test", f"ARGS=-q {' '.join(sorted(files))}", timeout=1200)
