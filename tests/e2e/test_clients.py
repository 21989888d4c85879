"""The server and those who ask it: the conformance suite, what that must find, and KServe's client.

The models are the tiny ones of the project's own tests: nothing is trained here.
"""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.project import Project, Server, environment
from support.proxy import Forward, Message, proxy

CLIENTS = Path(__file__).with_name("clients")
NAME = "digit-recognition"
PREDICT = f"/v1/models/{NAME}:predict"


@pytest.fixture(scope="module")
def stores(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store for each of the two models: picture/, table/."""
    folder = tmp_path_factory.mktemp("stores")
    python = project.path / ".venv" / "bin" / "python"
    command = [python, CLIENTS / "write_models.py", folder, NAME]
    subprocess.run(command, check=True, cwd=project.path, env=environment())
    return folder


@contextlib.contextmanager
def serving(project: Project, store: Path) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLOPS_SERVING__STORE", str(store))
        with project.serve() as server:
            yield server


@pytest.fixture(scope="module")
def picture(project: Project, stores: Path) -> Iterator[Server]:
    with serving(project, stores / "picture") as server:
        yield server


@pytest.fixture(scope="module")
def table(project: Project, stores: Path) -> Iterator[Server]:
    with serving(project, stores / "table") as server:
        yield server


def conformance(project: Project, url: str, store: Path, *more: str) -> tuple[set[str], str]:
    """The checks that fail, by name, and all that `make conformance` shows."""
    arguments = [f"URL={url}", f"ARGS=--model-dir {store / '1'} {' '.join(more)}"]
    shown = project.make("conformance", *arguments, check=False).stdout
    assert re.search(r"\d+ (passed|failed)", shown), shown
    return set(re.findall(r"^FAILED \S+?::(.+?)(?: - .*)?$", shown, re.MULTILINE)), shown


@pytest.mark.parametrize("kind", ["picture", "table"])
def test_kserves_own_client_gets_the_predictions(
    kind: str, stores: Path, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(kind)
    script = [CLIENTS / "kserve_client.py", server.url, NAME, stores / kind / "1"]
    command = [sys.executable, "-m", "uv", "run", "--quiet", "--no-project", "--script", *script]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=300)
    assert "agrees" in done.stdout, done.stderr


@pytest.mark.parametrize("kind", ["picture", "table"])
def test_the_server_is_conformant(
    kind: str, project: Project, stores: Path, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(kind)
    failed, shown = conformance(project, server.url, stores / kind)
    assert not failed, shown


def test_without_a_url_the_projects_own_server_is_tested(
    project: Project, stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_SERVING__STORE", str(stores / "table"))
    assert "version 1" in project.make("conformance", "ARGS=-k healthz").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["in service", "`make "]),  # run, or promote where the registry has a champion
        (["URL={url}"], ["serves version 1", "--model-dir"]),
        (["URL={url}", "MODEL=another"], ["no model 'another'", "MODEL="]),
        (["URL={url}", "ARGS=--model-dir {stores}/table/1"], ["another model", "SHA-256"]),
        (["URL={url}", "ARGS=--model-dir {stores}"], ["signature.json"]),
        (["URL=http://127.0.0.1:1"], ["no server answers at http://127.0.0.1:1"]),
    ],
)
def test_what_cannot_be_tested_is_one_clear_line(
    arguments: list[str],
    words: list[str],
    project: Project,
    picture: Server,
    stores: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLOPS_SERVING__STORE", str(stores))  # there is no version in it
    filled = [each.format(url=picture.url, stores=stores) for each in arguments]
    done = project.make("conformance", *filled, check=False)
    assert done.returncode
    assert "Traceback" not in done.stdout + done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    for word in words:
        assert word in line


def test_the_suite_finds_what_is_wrong(project: Project, picture: Server, stores: Path) -> None:
    """Each fault of this server makes the checks that are named for it fail, and no others."""
    scraped: list[Message] = []

    def wrong(request: Message, forward: Forward) -> Message:
        if request.path == "/readyz":
            return Message(b"{}", status=500)
        if request.path == "/metrics" and scraped:
            return scraped[0]
        answer = forward(request)
        if request.path == "/metrics":
            scraped.append(answer)
        elif b"rows of different lengths" in answer.body:
            return Message(b"Internal Server Error", status=500)
        elif b"missing" in answer.body:
            answer.body = b'{"error": "bad request"}'
        elif request.path == PREDICT and answer.status == 200:
            rows = json.loads(answer.body)["predictions"]
            rounded = [[round(number, 6) for number in row] for row in rows]
            answer.body = json.dumps({"predictions": rounded}).encode()
        elif request.path.endswith("/infer") and b'"id":"a request"' in answer.body:
            answer.body = answer.body.replace(b'"id":"a request"', b'"id":"another"')
        return answer

    with proxy(picture.url, wrong) as url:
        failed, shown = conformance(project, url, stores / "picture")
    assert failed == {
        "test_readyz",
        "test_the_metrics_count_requests",
        "test_a_bad_request_is_refused[ragged]",
        "test_the_refusal_names_the_field[ragged]",
        "test_the_refusal_names_the_field[missing column]",
        "test_a_bad_request_is_refused_and_the_field_named[missing input]",
        "test_a_bad_request_is_refused_and_the_field_named[no data]",
        "test_a_bad_request_is_refused_and_the_field_named[no inputs]",
        *(f"test_predictions_are_those_of_the_model[{rows}]" for rows in (1, 2, 7, 64)),
        "test_a_bare_value_is_an_instance_where_the_model_has_one_input",
        "test_bare_values_and_objects_may_be_in_one_request",
        "test_columns_may_come_in_any_order",
        "test_other_keys_of_the_body_are_ignored",
        "test_the_content_type_does_not_matter[text/plain]",
        "test_the_content_type_does_not_matter[application/x-www-form-urlencoded]",
        "test_the_content_type_does_not_matter[]",
        "test_the_id_of_a_request_comes_back",
    }, shown


def test_answers_that_are_mixed_up_are_found(
    project: Project, picture: Server, stores: Path
) -> None:
    """A server that gives one client the answer of another."""
    last: list[Message] = []

    def mixed_up(request: Message, forward: Forward) -> Message:
        answer = forward(request)
        if not request.path.endswith((":predict", "/infer")):
            return answer
        last.append(answer)
        return last[-2 if len(last) > 1 else -1]

    with proxy(picture.url, mixed_up) as url:
        failed, shown = conformance(project, url, stores / "picture", "-k many_at_once")
    assert len(failed) == 3, shown


def test_tensorflow_serving_is_known_by_what_it_lacks(
    project: Project, picture: Server, stores: Path
) -> None:
    """TensorFlow Serving's routes and answers: what differs is named, and the rest holds."""
    metrics = "/monitoring/prometheus/metrics"

    def tensorflow(request: Message, forward: Forward) -> Message:
        if request.path.startswith(("/v2", "/healthz", "/readyz", "/metrics")):
            return Message(b'{"error": "Malformed request"}', status=404)
        if request.path == metrics:
            request.path = "/metrics"
        answer = forward(request)
        answer.headers.pop("x-model-version", None)
        counter = b":tensorflow:serving:request_count"
        answer.body = answer.body.replace(b"predict_requests_total", counter)
        if b'"signature"' in answer.body:
            answer.body = b'{"metadata": {"signature_def": {}}}'
        if b"instances[1]" in answer.body:
            answer.body = b'{"error": "JSON Value found at incorrect level"}'
        return answer

    with proxy(picture.url, tensorflow) as url:
        failed, shown = conformance(project, url, stores / "picture")
    assert not failed, shown
    assert "held to TensorFlow Serving" in shown
    assert "TensorFlow Serving: it has no V2 REST" in shown


def test_a_vertex_endpoint_is_known_by_its_url(
    project: Project, picture: Server, stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endpoint with one path, that wants to know who asks and wraps what its server says."""
    endpoint = "/v1/projects/p/locations/l/endpoints/7"

    def vertex(request: Message, forward: Forward) -> Message:
        if request.headers.get("authorization") != "Bearer abc":
            return Message(b'{"error": {"code": 401, "message": "who?"}}', status=401)
        if request.path != f"{endpoint}:predict":
            return Message(b"<html>404</html>", status=404)
        request.path = PREDICT
        answer = forward(request)
        if answer.status != 200:
            error = {"code": answer.status, "message": answer.body.decode()}
            answer.body = json.dumps({"error": error}).encode()
        return answer

    monkeypatch.setenv("CONFORMANCE_AUTHORIZATION", "Bearer abc")
    with proxy(picture.url, vertex) as url:
        failed, shown = conformance(project, url + endpoint, stores / "picture")
        assert not failed, shown
        assert "held to Vertex AI" in shown
        monkeypatch.setenv("CONFORMANCE_AUTHORIZATION", "Bearer secret")
        refused = project.make("conformance", f"URL={url}{endpoint}", check=False)
    assert "answers 401" in refused.stderr
    assert "secret" not in refused.stdout + refused.stderr
