"""What BentoML adds: its endpoint with batches, its metrics and page; and a bento that serves."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bentoml  # noqa: F401  (where it is not, nothing here is to be tested)
import pytest

PROJECT = Path(__file__).parents[3]
IMAGE = [[0] * 8] * 8
BENTOML = [sys.executable, "-m", "bentoml"]


def native(server: Any, *instances: object) -> Any:
    return server.http.post("/predict", json={"instances": instances})


def metrics(server: Any, name: str) -> float:
    lines = server.http.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def classes(rows: list[list[float]]) -> list[int]:
    return [row.index(max(row)) for row in rows]


def test_the_endpoint_answers_as_v1_does(server: Any) -> None:
    body = json.dumps({"instances": [IMAGE, {"image": IMAGE}]}).encode()
    answer = native(server, IMAGE, {"image": IMAGE})
    assert answer.status_code == 200
    assert answer.json() == server.predict(body).json()["predictions"]


def test_concurrent_calls_are_batched_and_each_gets_its_own_rows(
    store: Any, running: Callable[..., Any]
) -> None:
    store.deploy("1", answer=4, work=20)
    with running(store.path) as server, ThreadPoolExecutor(16) as pool:
        sizes = [1 + index % 3 for index in range(96)]
        answers = list(pool.map(lambda size: native(server, *[IMAGE] * size), sizes))
        assert [classes(answer.json()) for answer in answers] == [[4] * size for size in sizes]
        assert metrics(server, "bentoml_service_adaptive_batch_size_sum") == len(sizes)
        assert metrics(server, "bentoml_service_adaptive_batch_size_count") < len(sizes) / 2


def test_a_bad_request_is_rejected_by_itself(store: Any, running: Callable[..., Any]) -> None:
    store.deploy("1", answer=4, work=20)
    with running(store.path) as server, ThreadPoolExecutor(16) as pool:
        images = [[[index % 4 // 3 * 300] * 8] * 8 for index in range(48)]  # every fourth is bad
        codes = [answer.status_code for answer in pool.map(lambda i: native(server, i), images)]
        assert codes == [200, 200, 200, 400] * 12
        error = native(server, IMAGE, 1).json()["detail"][0]["msg"]
        assert "instances[1]: expected object or list, got integer" in error
        assert native(server).status_code == 400
        assert "Traceback" not in server.log


def test_a_new_version_takes_over_here_too(
    store: Any, running: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    store.deploy("1", answer=1)
    with running(store.path) as server:
        codes = []

        def switched() -> bool:
            answer = native(server, IMAGE)
            codes.append(answer.status_code)
            return classes(answer.json()) == [2]

        assert not switched()
        store.deploy("2", answer=2)
        wait_for(switched, "version 2")
        assert set(codes) == {200}


def test_the_metrics_are_ours_and_those_of_bentoml(server: Any) -> None:
    names = ["predict_requests_total", "bentoml_service_request_total"]
    before = [metrics(server, f"{name}{{") for name in names]
    assert server.predict(json.dumps({"instances": [IMAGE]}).encode()).status_code == 200
    assert [metrics(server, f"{name}{{") for name in names] == [n + 1 for n in before]


def test_browsers_get_bentomls_page_and_it_lists_the_endpoint(server: Any) -> None:
    page = server.http.get("/", headers={"Accept": "text/html,*/*"})
    assert page.headers["content-type"].startswith("text/html")
    assert server.http.get("/").json()["status"] == "alive"
    assert server.http.get("/static_content/swagger-ui.css").status_code == 200
    endpoint = server.http.get("/docs.json").json()["paths"]["/predict"]["post"]
    assert endpoint["description"] == "One prediction for each instance, in their order."


def test_a_bento_serves_the_store_it_is_pointed_to(
    store: Any,
    started: Callable[..., Any],
    free_port: int,
    wait_for: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What docs/bentoml.md says, but for the requirements, which only an image installs."""
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    monkeypatch.setenv("BENTOML_DO_NOT_TRACK", "True")
    if uv := os.environ.get("UV"):  # `make test` may run by one that is not on the PATH
        monkeypatch.setenv("PATH", str(Path(uv).parent), prepend=os.pathsep)
    monkeypatch.setenv("MLOPS_SERVING__STORE", str(store.path))
    monkeypatch.setenv("MLOPS_REGISTRY__NAME", "digits")
    context = tmp_path / "project"
    for folder in ("src", "config"):
        shutil.copytree(PROJECT / folder, context / folder)
    shutil.copy(PROJECT / "bentofile.yaml", context)
    (context / "build").mkdir()
    (context / "build" / "requirements.txt").write_text("")
    build = [*BENTOML, "build", "--output", "tag"]
    tag = subprocess.check_output(build, cwd=context, text=True).strip().splitlines()[-1]
    tag = tag.removeprefix("__tag__:")
    shutil.rmtree(context)

    serve = [*BENTOML, "serve", tag, "--host", "127.0.0.1", "--port", str(free_port)]
    with started(serve, free_port, tmp_path / "server.log", ready="/healthz") as server:
        missing = server.http.get("/readyz")
        assert (missing.status_code, missing.json()["error"]) == (503, "no model is loaded yet")
        assert native(server, IMAGE).status_code == 503
        store.deploy("1", answer=5)
        wait_for(lambda: server.http.get("/readyz").status_code == 200, "the model")
        name = server.http.get("/v1/models").json()["models"][0]
        content = json.dumps({"instances": [IMAGE]})
        answer = server.http.post(f"/v1/models/{name}:predict", content=content)
        assert classes(answer.json()["predictions"]) == [5]
        assert classes(native(server, IMAGE).json()) == [5]
