"""The init container of a pod: the pinned version is in the volume, or nothing and one line."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import obstore
import pytest
from fetch.front import Front
from fetch.pods import NAME
from obstore.store import from_url

from blueprint.model import digest
from blueprint.serving.fetch.source import within

SECRET = "hush: 50% @ /?"
SMALL = 'mount -t tmpfs -o size=100k small "$0" && exec "$@"'


# From where


def test_a_tracking_server_that_hands_artifacts_out(pod, mlflow, register, model):
    uri = register(model)
    assert uri.startswith("mlflow-artifacts:/")
    said = pod.pin(uri, model, MLOPS_REGISTRY__TRACKING_URI=mlflow).fetch()

    assert f"version 7 of {NAME} ({digest(model)[:12]}) is in {pod.volume}: 3 files" in said
    assert pod.served().version == "7"
    assert digest(pod.served().folder) == digest(model)
    assert not pod.left()
    assert "already" in pod.fetch()


def test_the_same_by_other_addresses_of_it(pod, mlflow, register, model):
    uri = register(model)
    path = uri.removeprefix("mlflow-artifacts:")
    for address in (
        f"mlflow-artifacts://{mlflow.removeprefix('http://')}{path}",
        f"{mlflow}/api/2.0/mlflow-artifacts/artifacts{path}",
    ):
        pod.pin(address, model, MLOPS_REGISTRY__TRACKING_URI="http://127.0.0.1:9").fetch()
        assert pod.served().sha256 == digest(model)
        shutil.rmtree(pod.volume / NAME)


def test_a_bucket_of_s3(pod, bucket, model):
    there = from_url(f"{bucket}/7", client_options={"allow_http": True})
    for path in model.rglob("*"):
        if path.is_file():
            obstore.put(there, path.relative_to(model).as_posix(), path)
    pod.pin(f"{bucket}/7", model).fetch()
    assert pod.served().sha256 == digest(model)

    shutil.rmtree(pod.volume / NAME)
    pod.variables["MLFLOW_S3_ENDPOINT_URL"] = os.environ.pop("AWS_ENDPOINT_URL")
    pod.fetch()
    assert pod.served().sha256 == digest(model)


def test_a_bucket_of_google_s(pod, google, model):
    pod.pin("gs://models/digits", model, STORAGE_EMULATOR_HOST=google).fetch()
    assert pod.served().sha256 == digest(model)


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_folder_of_the_pod_s(form, pod, model):
    pod.pin(form.format(model), model).fetch()
    assert pod.served().sha256 == digest(model)


def test_another_version_takes_the_place_of_the_one_before(pod, model, tmp_path):
    pod.pin(str(model), model).fetch()
    other = Path(shutil.copytree(model, tmp_path / "other"))
    (other / "model.onnx").write_text("another")
    pod.pin(str(other), other, "8").fetch()
    assert (pod.served().version, pod.served().sha256) == ("8", digest(other))


def test_what_was_damaged_meanwhile_is_fetched_again(pod, model):
    pod.pin(str(model), model).fetch()
    (pod.served().folder / "model.onnx").write_text("damaged")
    assert "already" not in pod.fetch()
    assert pod.served().sha256 == digest(model)


def test_kserve_calls_it_with_a_uri_and_a_folder(pod, model, tmp_path):
    target = tmp_path / "mnt"
    pod.fetch(str(model), str(target))
    assert digest(target) == digest(model)
    pod.pin("", model)
    (target / "model.onnx").write_text("of the attempt before")
    pod.fetch(f"file://{model}", str(target))
    assert digest(target) == digest(model)

    pod.variables["MODEL_SHA256"] = "0" * 64
    assert "not those that were registered" in pod.rejects(str(model), str(tmp_path / "no"))
    assert not [*(tmp_path / "no").iterdir()]


# What goes wrong


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MODEL_VERSION": "", "MODEL_SHA256": "", "MODEL_URI": ""}, "no model is pinned here"),
        ({"MODEL_VERSION": ""}, "MODEL_VERSION is not set"),
        ({"MODEL_SHA256": ""}, "MODEL_SHA256 is not set"),
        ({"MODEL_URI": ""}, "no model is pinned here"),
        ({"MODEL_VERSION": "v7"}, "MODEL_VERSION='v7': expected a version's number"),
        ({"MODEL_SHA256": "7"}, "MODEL_SHA256='7': expected a SHA-256"),
        ({"MODEL_SHA256": "0" * 64}, "their SHA-256 is"),
        ({"MODEL_URI": "/nowhere"}, "/nowhere"),
        ({"MODEL_URI": "dvc://bucket/7"}, "dvc://bucket/7"),
        ({"MODEL_URI": "mlflow-artifacts:/1"}, "registry.tracking_uri is no address"),
        ({"MLOPS_FETCH__SECONDS": "0"}, "fetch.seconds"),
        ({"MLOPS_ENV": "nowhere"}, "MLOPS_ENV=nowhere"),
    ],
)
def test_a_mistake_is_one_line(change, message, pod, model):
    pod.pin(str(model), model)
    pod.variables |= change
    assert message in pod.rejects()


def test_what_the_stores_reject_is_one_line(pod, bucket, mlflow, register, model, google):
    pod.pin("s3://gone/7", model)
    assert "NoSuchBucket" in pod.rejects()
    pod.pin(f"{bucket}/gone", model)
    assert "there is no file" in pod.rejects()
    pod.pin("mlflow-artifacts:/1/gone", model, MLOPS_REGISTRY__TRACKING_URI=mlflow)
    assert "there is no file" in pod.rejects()
    pod.pin("gs://models/gone", model, STORAGE_EMULATOR_HOST=google)
    assert "there is no file" in pod.rejects()
    pod.pin(f"{bucket}/7", model, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert "does not answer" in pod.rejects()
    pod.pin("mlflow-artifacts:/1/x", model, MLOPS_REGISTRY__TRACKING_URI="http://127.0.0.1:9")
    assert "is it up" in pod.rejects()
    https = mlflow.replace("http:", "https:")
    pod.pin("mlflow-artifacts:/1/x", model, MLOPS_REGISTRY__TRACKING_URI=https)
    assert "MLFLOW_TRACKING_SERVER_CERT_PATH" in pod.rejects()


def test_no_credentials(pod, bucket, model, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with Front("http://127.0.0.1:9") as nobody:
        nobody.rules = (lambda request: request.send(404, b"") or True,)
        pod.pin(f"{bucket}/7", model, AWS_METADATA_ENDPOINT=nobody.url)
        assert "give the pod credentials" in pod.rejects()


def test_a_rejection_shows_no_secret(pod, bucket, model):
    """S3 answers with the key and with what was signed."""
    answer = f"<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message><Key>{SECRET}</Key>"
    with Front("http://127.0.0.1:9", lambda r: r.send(403, answer.encode()) or True) as s3:
        line = pod.pin(f"{bucket}/7", model, AWS_ENDPOINT_URL=s3.url).rejects()
    assert "SignatureDoesNotMatch: no: give the pod credentials" in line
    assert SECRET not in line


def asks_for(header: str):
    def rule(request):
        if request.headers.get("Authorization") == header:
            return False
        request.send(401, b"{}")
        return True

    return rule


def test_a_login(pod, mlflow, register, model):
    basic = base64.b64encode(f"me:{SECRET}".encode()).decode()
    login = {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": SECRET}
    uri = register(model)
    with Front(mlflow, asks_for(f"Basic {basic}")) as front:
        pod.pin(uri, model, MLOPS_REGISTRY__TRACKING_URI=front.url)
        assert "MLFLOW_TRACKING_TOKEN" in pod.rejects()
        pod.variables |= {**login, "MLFLOW_TRACKING_PASSWORD": "another"}
        assert "another" not in pod.rejects()
        pod.variables |= login
        pod.fetch()
    with Front(mlflow, asks_for("Bearer token")) as front:
        shutil.rmtree(pod.volume / NAME)
        del pod.variables["MLFLOW_TRACKING_USERNAME"], pod.variables["MLFLOW_TRACKING_PASSWORD"]
        tracking = {"MLOPS_REGISTRY__TRACKING_URI": front.url, "MLFLOW_TRACKING_TOKEN": "token"}
        pod.pin(uri, model, **tracking).fetch()
    with Front(mlflow, asks_for(f"Basic {base64.b64encode(b'me:pass').decode()}")) as front:
        shutil.rmtree(pod.volume / NAME)
        del pod.variables["MLFLOW_TRACKING_TOKEN"]
        url = front.url.replace("http://", "http://me:pass@")
        pod.pin(uri, model, MLOPS_REGISTRY__TRACKING_URI=url).fetch()
        assert pod.served().sha256 == digest(model)


def test_another_host_gets_no_login(pod, mlflow, register, model):
    uri = register(model)
    with Front(mlflow) as other:

        def elsewhere(request):
            request.send(302, b"", Location=other.url + request.path)
            return True

        with Front(mlflow, elsewhere) as front:
            variables = {"MLOPS_REGISTRY__TRACKING_URI": front.url, "MLFLOW_TRACKING_TOKEN": "hush"}
            pod.pin(uri, model, **variables).fetch()
            assert front.seen[0][1]["Authorization"] == "Bearer hush"
            assert not [headers for _, headers in other.seen if "Authorization" in headers]
        named = f"mlflow-artifacts://{other.url.removeprefix('http://')}/1/x"
        pod.pin(named, model, "8", MLOPS_REGISTRY__TRACKING_URI="http://me:hush@127.0.0.1:9")
        del pod.variables["MLFLOW_TRACKING_TOKEN"]
        pod.rejects()
        assert not [headers for _, headers in other.seen if "Authorization" in headers]


def test_a_server_that_fails_now_and_then_is_asked_again(pod, mlflow, register, model):
    failed = set()

    def first_fails(request):
        if request.path in failed:
            return False
        failed.add(request.path)
        if "?" in request.path:
            request.send(503, b"")
        else:  # the connection breaks in the middle of a file
            code, body = request.backend()
            request.send(code, body[:-1], promised=len(body))
        return True

    uri = register(model)
    with Front(mlflow, first_fails) as front:
        pod.pin(uri, model, MLOPS_REGISTRY__TRACKING_URI=front.url).fetch()
    assert len(failed) >= 6
    assert pod.served().sha256 == digest(model)


def test_a_server_that_stays_broken_is_given_up(pod, mlflow, register, model):
    def short(request):
        if "?" in request.path:
            return False
        code, body = request.backend()
        request.send(code, body[:-1], promised=len(body))
        return True

    uri = register(model)
    with Front(mlflow, short) as front:
        assert (
            "IncompleteRead"
            in pod.pin(uri, model, MLOPS_REGISTRY__TRACKING_URI=front.url).rejects()
        )
    page = b"<html>log in</html>"
    with Front(mlflow, lambda request: request.send(200, page) or True) as front:
        pod.variables["MLOPS_REGISTRY__TRACKING_URI"] = front.url
        assert "no MLflow answers there" in pod.rejects()
    hostile = json.dumps({"files": [{"path": "../../x", "is_dir": False}]}).encode()
    with Front(mlflow, lambda request: request.send(200, hostile) or True) as front:
        pod.variables["MLOPS_REGISTRY__TRACKING_URI"] = front.url
        assert "'../../x' is no name" in pod.rejects()


@pytest.mark.parametrize("name", ["", "/etc/x", "a/../../x", "..", "a\0b"])
def test_no_name_leads_out_of_the_folder(name, tmp_path):
    with pytest.raises(Exception, match="is no name"):
        within(tmp_path, name)


def stalls(request):
    """Never answers for the second file."""
    request.server.stalled += 0 if "?" in request.path else 1
    if request.server.stalled >= 2:
        time.sleep(60)
    return False


@pytest.mark.parametrize("scheme", ["s3", "mlflow"])
def test_a_server_that_does_not_answer_is_given_up_in_time(scheme, pod, mlflow, register, model):
    uri = register(model)
    with Front(mlflow, stalls) as front:
        front.stalled = 0 if scheme == "mlflow" else 2
        tracking = {"MLOPS_REGISTRY__TRACKING_URI": front.url, "MLOPS_FETCH__SECONDS": "2"}
        s3 = {"AWS_ENDPOINT_URL": front.url, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
        pod.pin(uri if scheme == "mlflow" else "s3://bucket/7", model, **tracking, **s3)
        start = time.monotonic()
        assert "2 s" in pod.rejects()
        assert time.monotonic() - start < 8


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_one_that_is_ended_on_the_way_leaves_nothing_in_service(
    number, pod, mlflow, register, model
):
    uri = register(model)
    with Front(mlflow, stalls) as front:
        front.stalled = 0
        process = pod.pin(uri, model, MLOPS_REGISTRY__TRACKING_URI=front.url).start()
        while front.stalled < 2:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        process.communicate(timeout=5)
    assert process.returncode == (143 if number == signal.SIGTERM else -9)
    assert bool(pod.left()) == (number == signal.SIGKILL)  # which leaves no time to tidy up
    assert not (pod.volume / NAME).exists()

    pod.pin(uri, model, MLOPS_REGISTRY__TRACKING_URI=mlflow).fetch()
    assert not pod.left()
    assert pod.served().sha256 == digest(model)


@pytest.mark.parametrize("known", [True, False])
def test_a_volume_that_is_too_small(known, pod, mlflow, register, model):
    """In a mount of this process' own, which needs no rights where users may have namespaces."""
    before = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", SMALL, str(pod.volume))
    if subprocess.run([*before, "true"], capture_output=True).returncode:
        pytest.skip("no small volume: this user may mount none in a namespace (unshare)")

    def sizeless(request):
        if known or "?" not in request.path:
            return False
        code, body = request.backend()
        request.send(code, body.replace(b'"file_size"', b'"other"'))
        return True

    uri = register(model)
    with Front(mlflow, sizeless) as front:
        line = pod.pin(uri, model, MLOPS_REGISTRY__TRACKING_URI=front.url).rejects(before=before)
    assert "give the volume a larger sizeLimit" in line
    assert ("0.30 MB" in line) == known


def test_it_starts_without_what_takes_long_to_import(pod, model):
    """A pod waits for it, and MLflow alone takes seconds."""
    script = "import runpy, sys; sys.argv = ['x']\n"
    script += "try: runpy.run_module('blueprint.serving.fetch', run_name='other')\nfinally: "
    script += "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    heavy = {"mlflow", "onnxruntime", "polars", "sqlalchemy", "requests", "starlette", "typer"}
    assert "blueprint" in done.stdout
    assert not heavy & {*done.stdout.split()}


def test_an_empty_object_may_stand_for_a_folder(pod, bucket, model):
    there = from_url(f"{bucket}/marked", client_options={"allow_http": True})
    obstore.put(there, "saved_model", b"")
    obstore.put(from_url(bucket, client_options={"allow_http": True}), "marked", b"")
    for path in model.rglob("*"):
        if path.is_file():
            obstore.put(there, path.relative_to(model).as_posix(), path)
    pod.pin(f"{bucket}/marked", model).fetch()
    assert pod.served().sha256 == digest(model)
