"""The jobs that talk to a service: an MLflow server, and Kubeflow Pipelines."""

import json
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.actions import PUSH, SCHEDULE, GitHub
from support.gitlab import MERGE_REQUEST, Runner
from support.project import Project, environment, free_port, get, stop
from support.rendering import commit, git

pytestmark = pytest.mark.slow

# The API that the project's own tests talk to, in a process of its own: it needs kfp.
KUBEFLOW = """
import json, sys
from cluster.fake import Fake, details
with Fake() as fake:
    fake.token = sys.argv[1]
    fake.script = [details(state="SUCCEEDED")] * 9
    print(fake.endpoint, flush=True)
    sys.stdin.readline()
    print(json.dumps([run.experiment_id and run.state for run in fake.runs.values()]))
    print(json.dumps([each.display_name for each in fake.experiments.values()]))
"""


@pytest.fixture
def mlflow(ready: Project, tmp_path: Path) -> Iterator[str]:
    """The address of a tracking server that asks for no login."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    store = ["--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db"]
    store += ["--artifacts-destination", str(tmp_path / "artifacts"), "--workers", "1"]
    command = ["uv", "run", "--quiet", "--no-sync", "--project", str(ready.path), "--with"]
    command += ["mlflow~=3.17", "mlflow", "server", "--port", str(port), *store]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, env=environment(), stdout=log, stderr=log, text=True, start_new_session=True
        )
    try:
        end = time.monotonic() + 120
        while get(f"{url}/health")[0] != 200:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.2)
        yield url
    finally:
        stop(process)


def versions(url: str) -> list[dict[str, Any]]:
    """Those that the server has of the project's model."""
    address = f"{url}/api/2.0/mlflow/model-versions/search"
    with urllib.request.urlopen(address) as answer:
        return json.loads(answer.read()).get("model_versions", [])


def test_a_tracking_server_gets_what_is_retrained_and_lends_its_champion(
    ready: Project, github: GitHub, gitlab_ci_local: Path, mlflow: str
) -> None:
    """On GitHub, then on GitLab; test_github.py has the rest of GitHub's."""
    git(ready.path, "switch", "--quiet", "--discard-changes", "main")
    github.variables = {"TRACKING_URI": mlflow}
    github.run(ready.path, "retrain.yml", "run", SCHEDULE)
    assert [each["version"] for each in versions(mlflow)] == ["1"]

    git(ready.path, "switch", "--quiet", "--force-create", "change")
    base = ready.path / "config" / "base.yaml"
    base.write_text(base.read_text().replace("epochs: 40", "epochs: 2"))
    commit(ready.path, "A change")
    runner = Runner(gitlab_ci_local, ready.path)
    runner("run", **MERGE_REQUEST, TRACKING_URI=mlflow)
    assert "Champion (version 1) |" in (ready.path / ".mlops" / "report.md").read_text()
    assert [each["version"] for each in versions(mlflow)] == ["1"], "nothing is registered"


class Issuer:
    """What gives a job on GitHub its tokens: each has `token` for an answer."""

    def __init__(self, token: str) -> None:
        self.token, self.asked = token, []

    def __enter__(self) -> "Issuer":
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append((self.path, self.headers["Authorization"]))
                data = json.dumps({"value": issuer.token}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Nothing: the test looks at `asked`."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/token?api-version=2.0"
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def cluster(kubeflow: Path) -> Iterator[tuple[Project, subprocess.Popen[str]]]:
    """A project whose staging and production are the tests' Kubeflow, which knows one token."""
    project = Project(kubeflow)
    project.make("setup", timeout=900)
    python = kubeflow / ".venv" / "bin" / "python"
    variables = environment() | {"PYTHONPATH": str(kubeflow / "tests")}
    with subprocess.Popen(
        [python, "-c", KUBEFLOW, "a token"],
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        endpoint = process.stdout.readline().strip()
        for name in ("staging", "production"):
            file = kubeflow / "config" / f"{name}.yaml"
            settings = yaml.safe_load(file.read_text())
            settings["kubeflow"].update(endpoint=endpoint, auth="none")
            settings["kubeflow"]["pipeline_root"] = "s3://models/runs"
            settings["registry"]["tracking_uri"] = "http://mlflow.mlflow:5000"
            file.write_text(yaml.safe_dump(settings))
        commit(kubeflow, "Our cluster")
        yield project, process
        process.kill()


def published(project: Project, folder: Path) -> None:
    """What the job `images` leaves behind."""
    script = "from blueprint.targets.facts import fingerprint; print(fingerprint())"
    python = project.path / ".venv" / "bin" / "python"
    code = subprocess.check_output([python, "-c", script], cwd=project.path, text=True).strip()
    image = {
        "reference": "digit-recognition-pipeline:1",
        "code": code,
        "megabytes": 1,
        "pushed": "registry.example.com/team/digit-recognition-pipeline@sha256:1",
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "images.json").write_text(json.dumps({"pipeline": image}))


def test_the_pipeline_is_submitted_by_environment(
    cluster: tuple[Project, subprocess.Popen[str]],
    github: GitHub,
    gitlab_ci_local: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project, server = cluster
    published(project, github.artifact("pipelines-c0ffee"))
    with Issuer("a token") as issuer:
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", issuer.url)
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "the job's")
        inputs = {"environment": "staging"}
        github.run(project.path, "submit.yml", "submit", PUSH, inputs=inputs)
    asked = ("/token?api-version=2.0&audience=pipelines.kubeflow.org", "Bearer the job's")
    assert issuer.asked == [asked]
    spec = github.artifact("pipelines-staging-c0ffee") / "training.yaml"
    assert "digit-recognition-pipeline@sha256:1" in spec.read_text()

    published(project, project.path / "build")
    runner = Runner(gitlab_ci_local, project.path)
    variables = {"SUBMIT": "yes", "REGISTRY": "registry.example.com/team"}
    variables["KUBEFLOW_TOKEN"] = "a token"
    runner("production", **variables)

    variables["KUBEFLOW_TOKEN"] = "another token"
    refused = runner("staging", **variables, check=False)
    assert refused.returncode
    assert "you are not logged in" in refused.stdout + refused.stderr

    assert server.stdin
    assert server.stdout
    server.stdin.write("\n")
    server.stdin.flush()
    assert json.loads(server.stdout.readline()) == ["SUCCEEDED", "SUCCEEDED"]
    assert json.loads(server.stdout.readline()) == [
        "digit-recognition-staging",
        "digit-recognition-production",
    ]
