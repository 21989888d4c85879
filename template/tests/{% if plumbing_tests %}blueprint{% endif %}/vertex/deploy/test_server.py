"""The server in a container of Vertex AI: its variables, its model from a bucket, its contract."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest
from outside import free_port
from serving.tiny_models import write_picture_model

import blueprint.serving.http  # noqa: F401  the project's own server, which runs here
from blueprint.data.storage import Folder
from blueprint.model import digest

URI = "gs://digits-staging/models/digits/7"
PREDICT = "/v1/endpoints/1/deployedModels/2:predict"  # as Vertex AI has it where none is named
ROW = {"image": [[0] * 8] * 8}


@pytest.fixture
def uploaded(stored, tmp_path):
    """A model's folder, which is in the bucket too."""
    model, there = write_picture_model(tmp_path / "model", answer=3), Folder(URI)
    (model / "code" / "a b").mkdir(parents=True)
    (model / "code" / "a b" / "__init__.py").touch()  # empty, and a part of its hash
    for path in model.rglob("*"):
        if path.is_file():
            there.write(path.relative_to(model).as_posix(), path.read_bytes())
    return model


@pytest.fixture
def variables(uploaded):
    """What a container has: Vertex AI's variables, and those of the version."""
    return {
        "AIP_HTTP_PORT": str(free_port()),
        "AIP_PREDICT_ROUTE": PREDICT,
        "AIP_HEALTH_ROUTE": PREDICT,
        "AIP_STORAGE_URI": URI,
        "MODEL_VERSION": "7",
        "MODEL_SHA256": digest(uploaded),
        "MLOPS_ENV": "test",
        "MLOPS_REGISTRY__NAME": "digits",
        "MLOPS_PREDICTION_LOG__SHARE": "0",
    }


def start(folder, variables, **options):
    command = [sys.executable, "-m", "blueprint.serving.vertex"]
    known = {key: value for key, value in os.environ.items() if not key.startswith("MLOPS_")}
    return subprocess.Popen(command, cwd=folder, env=known | variables, text=True, **options)


@contextmanager
def running(folder, variables):
    """The address of a server that is healthy, by the route that the variables name."""
    process = start(folder, variables)
    url, end = f"http://127.0.0.1:{variables['AIP_HTTP_PORT']}", time.monotonic() + 60
    try:
        while ask(url + variables["AIP_HEALTH_ROUTE"])[0] != 200:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        assert process.wait(20) in (0, -15)


def ask(url, body=None):
    """Status and JSON of an answer."""
    try:
        with urllib.request.urlopen(url, body, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, {}


def conform(folder, url, model, *options):
    """Hold the server to the whole contract of docs/serving.md."""
    command = [sys.executable, "-m", "blueprint.serving.conformance", "--model", "digits"]
    done = subprocess.run(
        [*command, "--url", url, "--model-dir", str(model), *options],
        cwd=folder,
        env=os.environ | {"MLOPS_ENV": "test"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_routes_its_limit_and_its_contract(folder, variables, uploaded):
    with running(folder, variables) as url:
        body = json.dumps({"instances": [ROW, ROW]}).encode()
        code, answer = ask(url + PREDICT, body)
        assert code == 200
        assert [max(range(10), key=each.__getitem__) for each in answer["predictions"]] == [3, 3]
        assert ask(url + PREDICT) == (200, {"ready": True, "version": "7"})
        code, answer = ask(url + PREDICT, b'{"instances": [{"image": "text"}]}')
        assert code == 400
        assert "instances[0].image" in answer["error"]

        code, answer = ask(url + PREDICT, b" " * 1_572_865)
        assert (code, answer) == (413, {"error": "the body is larger than 1572864 bytes"})
        almost = json.dumps({"instances": [ROW]}).encode().ljust(1_572_864)
        assert ask(url + PREDICT, almost)[0] == 200

        # Here the path of predictions is that of health, too.
        options = ["--predict-path", PREDICT, "--skip", "GET is no way to predict"]
        conform(folder, url, uploaded, *options)


def test_the_routes_that_a_version_is_registered_with(folder, variables, uploaded):
    routes = {"PREDICT": "/v1/models/digits:predict", "HEALTH": "/v1/models/digits"}
    named = {f"AIP_{name}_ROUTE": path for name, path in routes.items()}
    with running(folder, variables | named) as url:
        [state] = ask(url + routes["HEALTH"])[1]["model_version_status"]
        assert state["version"] == "7"
        conform(folder, url, uploaded)


def test_an_endpoint_of_its_own_takes_more(folder, variables):
    with running(folder, variables | {"MODEL_REQUEST_MB": "10"}) as url:
        body = json.dumps({"instances": [ROW]}).encode().ljust(3_000_000)
        assert ask(url + PREDICT, body)[0] == 200


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"MODEL_SHA256": "0" * 64}, "are not those that were registered"),
        ({"MODEL_SHA256": ""}, "MODEL_SHA256='': expected a SHA-256"),
        ({"AIP_STORAGE_URI": "gs://digits-staging/no/such"}, "there is no file"),
        ({"AIP_HTTP_PORT": "http"}, "expected a number from 1 to 65535"),
    ],
)
def test_what_it_does_not_serve(folder, variables, change, problem):
    process = start(folder, variables | change, stderr=subprocess.PIPE)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert problem in said
    assert len(said.splitlines()) == 1, said


def test_elsewhere_it_is_the_server_that_it_always_is(folder, variables, tmp_path):
    from blueprint.registry.store import deploy

    model = write_picture_model(tmp_path / "other", answer=5)
    deploy(model, "3", tmp_path / "store", "digits")
    port = variables["AIP_HTTP_PORT"]
    here = {key: value for key, value in variables.items() if key.startswith("MLOPS")}
    here |= {"MLOPS_SERVING__STORE": str(tmp_path / "store"), "MLOPS_SERVING__PORT": port}
    process = start(folder, here)
    try:
        end = time.monotonic() + 60
        while ask(f"http://127.0.0.1:{port}/readyz")[0] != 200:
            assert time.monotonic() < end
            time.sleep(0.1)
        body = json.dumps({"instances": [ROW]}).encode()
        assert ask(f"http://127.0.0.1:{port}/v1/models/digits:predict", body)[0] == 200
        assert ask(f"http://127.0.0.1:{port}{PREDICT}", body)[0] == 404
    finally:
        process.terminate()
        process.wait(20)
