"""Other servers than the lean one on plain Kubernetes; and what an init container and an autoscaler
do there."""

import json
import re
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import cluster, engine
from support.clients import Clients
from support.cluster import kubectl
from support.project import Project

pytestmark = pytest.mark.slow
STANDIN = Path(__file__).with_name("standin_tf_serving.py")


@pytest.fixture(scope="module")
def bentoml(sibling: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same model behind BentoML."""
    folder = tmp_path_factory.mktemp("bentoml") / "project"
    return sibling(folder, "serving", serving_platform="kubernetes", serving_runtime="bentoml")


def test_bentoml_answers_as_agreed_and_a_rollout_loses_no_request(
    bentoml: Project,
    copy_of: Callable[..., Any],
    tunnel: Callable[[Any], str],
    instance: str,
    model: str,
) -> None:
    served = copy_of(bentoml)
    served.make("deploy", "VERSION=3")
    shown = served.make("conformance", f"URL={tunnel(served)}", f"ARGS=--model-dir {model}")
    assert ", 0 failed" in shown
    clients = Clients(served.namespace, served.name, served.pods()[0], instance, 50)
    served.make("deploy", "VERSION=1")
    answers = clients.answers(90)
    assert {*answers} == {"200 3", "200 1"}, "clients that keep a connection are told before"


@pytest.fixture(scope="module")
def tensorflow(
    prepared: tuple[Project, str],
    sibling: Callable[..., Project],
    push: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Project:
    """A project with TensorFlow Serving: its own image where it can be had, else with a program
    that stands in for TensorFlow's in the first project's serving image."""
    folder = tmp_path_factory.mktemp("tensorflow")
    answers = {
        "task": "image-classification",
        "framework": "tensorflow",
        "project_slug": "pictures",
    }
    answers |= {"serving_platform": "kubernetes", "serving_runtime": "tf-serving"}
    project = sibling(folder / "project", "fetch", **answers)
    registry = f"registry.tracking_uri={prepared[1]} registry.artifact_location=null"
    project.make("run", f"ARGS={registry} train.epochs=1 gate.floors.accuracy=0.1")
    text = (project.path / "docker" / "serving.Dockerfile").read_text()
    [official] = re.findall(r"^ARG TF_SERVING_IMAGE=(\S+)$", text, re.MULTILINE)
    push(
        project,
        "serving",
        arguments="" if engine.has(official) else stand_in(prepared[0], official),
    )
    return project


def stand_in(first: Project, official: str) -> str:
    """What a build says to have the stand-in for the official image."""
    images = json.loads((first.path / "build" / "images.json").read_text())
    name = "standin/tensorflow-serving:latest"
    lines = [f"FROM {images['serving']['reference']}", "USER 0", "ENTRYPOINT []"]
    lines.append(f"COPY --chmod=755 {STANDIN.name} /usr/bin/tensorflow_model_server.py")
    program = '#!/bin/sh\\nexec python /usr/bin/tensorflow_model_server.py "$@"\\n'
    path = "/usr/bin/tensorflow_model_server"
    lines.append(f"RUN printf '{program}' > {path} && chmod 755 {path}")
    folder = first.path / "build" / "standin"
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text("\n".join(lines))
    (folder / STANDIN.name).write_text(STANDIN.read_text())
    engine.docker("buildx", "build", "--load", f"--tag={name}", str(folder), timeout=600)
    return f"--build-context={official}=docker-image://{name}"


def test_tensorflow_servings_pod_gets_its_model_and_answers(
    tensorflow: Project, copy_of: Callable[..., Any], tunnel: Callable[[Any], str]
) -> None:
    """What is proven: the image that fetches, the store, the script that follows it, the probes."""
    served = copy_of(tensorflow, "pictures")
    shown = served.make("deploy", timeout=400)
    assert re.search(r"version 1 \(\w+\) in image \w+ answers at", shown)
    assert served.answers() == "1"
    folder = next((tensorflow.path / ".mlops" / "store" / "pictures").glob("1-*"))
    example = json.loads((folder / "example.json").read_text())
    body = json.dumps({"instances": example["instances"]}).encode()
    url = f"{tunnel(served)}/v1/models/{served.name}:predict"
    with urllib.request.urlopen(url, body, timeout=20) as response:
        answer = json.loads(response.read())
    [found], [expected] = answer["predictions"][:1], example["predictions"][:1]
    assert found == pytest.approx(expected, abs=1e-3)


AWAY = {
    "no registry": ({"MLOPS_REGISTRY__TRACKING_URI": "http://{host}:9"}, "http://.+:9"),
    "no bucket": (
        {
            "MODEL_URI": "s3://models/digits",
            "AWS_ENDPOINT_URL": "http://{host}:9",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "key",
            "AWS_REGION": "eu-central-1",
        },
        "s3://models/digits: .*it does not answer",
    ),
}


@pytest.mark.parametrize("case", AWAY)
def test_a_pod_without_registry_or_bucket_says_so(served: Any, case: str) -> None:
    served.make("deploy", "VERSION=1")
    variables, expected = AWAY[case]
    for name, value in variables.items():
        served.set_variable("fetch-model", name, value.format(host=cluster.host()))
    start = time.monotonic()
    error = served.fails("deploy", "VERSION=2")
    assert time.monotonic() - start < 90
    assert re.search(f"fetch-model failed .*{expected}", error)
    assert re.search(r"version 1 \(\w+\) serves on$", error)
    served.settles_on("1")
    assert served.answers() == "1"


def test_the_autoscaler_goes_up_and_down_under_load(served: Any, instance: str) -> None:
    if not kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes", check=False):
        cluster.lacking("the cluster has no metrics", "install metrics-server")
    cpu = "/spec/template/spec/containers/0/resources/requests/cpu"
    served.overlay({"op": "replace", "path": cpu, "value": "60m"})  # a little load is much then
    down = {"stabilizationWindowSeconds": 15}
    change = {"op": "replace", "path": "/spec/behavior/scaleDown", "value": down}
    served.overlay(change, kind="HorizontalPodAutoscaler")
    served.make("deploy", "VERSION=3")
    assert replicas(served) == 1
    clients = Clients(served.namespace, served.name, served.pods()[0], instance, 75)
    up = waited(lambda: replicas(served) >= 2, 75)
    answers = clients.answers(110)
    back = waited(lambda: replicas(served) == 1, 150)
    print(f"  up after {up:.0f} s of load, down {back:.0f} s after its end")
    assert {*answers} == {"200 3"}


def replicas(served: Any) -> int:
    """How many pods there are to be: the autoscaler's word."""
    at = f"--namespace={served.namespace}"
    found: int = cluster.get_json("deployment", served.name, at)["spec"]["replicas"]
    return found


def waited(condition: Callable[[], bool], seconds: float) -> float:
    """The seconds until it holds."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds
        time.sleep(1)
    return time.monotonic() - start
