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

from support import rendering
from support.project import Project, Server, environment
from support.proxy import Forward, Message, proxy

CLIENTS = Path(__file__).with_name("clients")
NAME = "digit-recognition"
PREDICT = f"/v1/models/{NAME}:predict"


@pytest.fixture(scope="module")
def project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose server has all it can: the V2 protocol, and batches when it is told to."""
    answers = {
        "platform": "kubeflow",
        "framework": "sklearn",
        "serving_extras": "both",
        "ci": "none",
    }
    folder = tmp_path_factory.mktemp("e2e") / "a project with V2"
    made = Project(rendering.render(template, folder, **answers))
    rendering.git(made.path, "init", "-q", "-b", "main")
    rendering.commit(made.path, "The project as it was generated")
    made.make("setup", timeout=900)
    return made


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
    assert re.search(r"^\d+ checks, \d+ failed$", shown, re.MULTILINE), shown
    return set(re.findall(r"^FAIL  (.+?): ", shown, re.MULTILINE)), shown


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
    project: Project, picture: Server, stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_SERVING__STORE", str(stores / "picture"))
    monkeypatch.setenv("MLOPS_SERVING__PORT", str(picture.port))
    assert f"{picture.url}: {NAME}, version 1" in project.make("conformance").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["URL={url}"], ["no version 1", "--model-dir"]),
        (["URL={url}", "MODEL=another"], ["version of 'another'", "MODEL="]),
        (["URL={url}", "ARGS=--model-dir {stores}"], ["signature.json"]),
        (["URL=http://127.0.0.1:1"], ["no server answers at http://127.0.0.1:1", "make serve"]),
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
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
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
        elif b"expected integer, got list" in answer.body:
            return Message(b"Internal Server Error", status=500)
        elif b"missing" in answer.body:
            answer.body = b'{"error": "bad request"}'
        elif request.path == PREDICT and answer.status == 200:
            rows = json.loads(answer.body)["predictions"]
            rounded = [[round(number, 6) for number in row] for row in rows]
            answer.body = json.dumps({"predictions": rounded}).encode()
        elif request.path.endswith("/infer"):
            answer.body = answer.body.replace(b'"id":"7"', b'"id":"8"')
        return answer

    with proxy(picture.url, wrong) as url:
        failed, shown = conformance(project, url, stores / "picture")
    assert failed == {
        "/readyz",
        "metrics count requests",
        "rejects a wrong shape",
        "rejects a missing column",
        "V2 the id comes back",
        *(f"predictions for {rows} rows" for rows in (1, 2, 64)),
        "bare values",
        "bare values and objects together",
        "columns in any order, other keys",
        "any content type",
        "null is a missing value",
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
        failed, shown = conformance(project, url, stores / "picture")
    assert "many at once get their own answers" in failed, shown
    assert "reset by peer" not in shown


def test_an_endpoint_that_wants_to_know_who_asks(
    project: Project, picture: Server, stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway with one path, as of Vertex AI; the checks of others are skipped by name."""
    endpoint = "/v1/projects/p/locations/l/endpoints/7:predict"

    def gateway(request: Message, forward: Forward) -> Message:
        if request.headers.get("authorization") != "Bearer abc":
            return Message(b'{"error": "who?"}', status=401)
        if request.path != endpoint:
            return Message(b'{"error": "not here"}', status=404)
        request.path = PREDICT
        return forward(request)

    lacks = ["status", "metadata", "metrics", "/healthz", "/readyz", "V2"]
    more = [f"--predict-path {endpoint}", *(f"--skip {name}" for name in lacks)]
    monkeypatch.setenv("CONFORMANCE_AUTHORIZATION", "Bearer abc")
    with proxy(picture.url, gateway) as url:
        failed, shown = conformance(project, url, stores / "picture", *more)
        assert failed <= {"the answer names the version"}, shown
        monkeypatch.setenv("CONFORMANCE_AUTHORIZATION", "Bearer secret")
        refused = project.make("conformance", f"URL={url}", check=False)
    assert "answers 401" in refused.stderr
    assert "secret" not in refused.stdout + refused.stderr
