"""From `make submit` to an answer of the endpoint: every part real but Google's own machines.

The project's pipeline runs by `kfp.local` in a process of its own against a real tracking server,
its files go to a real GCS server, and the endpoint starts the project's own server.
"""

import json
import socket
from importlib.metadata import version

import pytest
import requests
from outside import answering, free_port, python_with
from vertex.conftest import LOCATION

import blueprint.serving.vertex_routes  # noqa: F401  where the server is a process of Python
from blueprint.deploy import deployment
from blueprint.deploy.status import show
from blueprint.errors import UserError
from blueprint.targets import images
from blueprint.targets.facts import fingerprint
from blueprint.targets.vertex import submission
from blueprint.targets.vertex.findings import OBJECTS, USER

BUCKET = "digits-staging"
IMAGES = f"projects/{BUCKET}/locations/{LOCATION}/repositories/team/packages"
DIGEST = f"sha256:{'1' * 64}"


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory):
    """The address of a real tracking server, by a name that other machines could know it by."""
    command = python_with([f"mlflow=={version('mlflow-skinny')}"], "mlflow.server")
    home, port = tmp_path_factory.mktemp("mlflow"), free_port()
    options = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    options += ["--backend-store-uri", f"sqlite:///{home}/db", "--serve-artifacts"]
    options += ["--artifacts-destination", str(home / "artifacts"), "--allowed-hosts", "*"]
    with answering([*command, "-m", "mlflow", *options], f"http://127.0.0.1:{port}/health"):
        yield f"http://{socket.gethostname()}:{port}"


@pytest.fixture
def cloud(load, executing, folder):
    """The configuration of a project in which nothing is missing, for a tracking server."""
    ground, [account] = executing.ground, executing.ground.accounts
    ground.roles[f"serviceAccount:{account}"] = [USER]
    ground.bindings[BUCKET] = {f"serviceAccount:{account}": [OBJECTS]}
    images.FILE.parent.mkdir(exist_ok=True)
    recorded = {}
    for kind in ("pipeline", "serving"):
        pushed = f"{LOCATION}-docker.pkg.dev/{BUCKET}/team/digits-{kind}@{DIGEST}"
        facts = {"reference": f"digits-{kind}:1", "megabytes": 1, "pushed": pushed}
        recorded[kind] = facts | {"code": fingerprint()}
        ground.images.add(f"{IMAGES}/digits-{kind}/versions/{DIGEST}")
    images.FILE.write_text(json.dumps(recorded))
    given = {
        "project": executing.project,
        "location": LOCATION,
        "pipeline_root": f"gs://{BUCKET}/pipelines",
        "service_account": account,
        "api_endpoint": executing.url,
        "poll_seconds": 0.2,
    }
    sections = [f"vertex={json.dumps(given)}", 'deploy={"quiet_seconds": 0}']
    sections += ["registry.artifact_location=null", "serving.store=null"]
    return lambda server, *more: load(*sections, f"registry.tracking_uri={server}", *more)


def test_from_submit_to_an_answer_of_the_endpoint(cloud, executing, mlflow, capsys):
    loaded = cloud(mlflow)
    submission.submit(loaded, wait=True)

    shown = capsys.readouterr().out
    for step in ("load_data", "train_model", "evaluate_model", "register_model", "deploy_model"):
        assert step in shown
    [versions] = executing.models.versions.values()
    assert versions[1].labels["mlflow_version"] == "1"
    assert {"v1", "champion"} <= set(versions[1].version_aliases)
    [endpoint] = executing.endpoints.made.values()
    assert list(endpoint.traffic_split.values()) == [100]
    assert show(loaded) == 0  # the endpoint serves the registry's champion, by its hash

    registry = deployment.connect(loaded.registry)
    asked = deployment.example(registry, deployment.resolve(registry, None))
    url = f"http://{endpoint.dedicated_endpoint_dns}/v1/{endpoint.name}:predict"
    answer = requests.post(url, json={"instances": asked["instances"]}).json()
    assert answer["predictions"] == asked["predictions"]
    assert answer["modelVersionId"] == "1"
    wrong = requests.post(url, json={"instances": [{"no such field": 1}]})
    assert wrong.status_code == 400
    names = ["no such field", *asked["instances"][0]]
    assert any(name in wrong.json()["error"]["message"] for name in names)


def test_a_step_that_fails_says_why(cloud, capsys):
    with pytest.raises(UserError, match="load_data"):
        submission.submit(cloud("http://mlflow.invalid:5000"), wait=True)
    assert "is registry.tracking_uri right" in capsys.readouterr().out  # the end of its log
