"""`make deploy`, `make status`, `make rollback` on a real cluster: what its user types and sees."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import cluster
from support.clients import Clients
from support.cluster import kubectl
from support.project import Project, free_port, get, stop

LINE = r"version {} \([0-9a-f]{{12}}\) in image {} answers at http://\S+ after ([\d.]+) s"


@pytest.fixture
def address(served: Any) -> Iterator[Callable[[], str]]:
    """Where this machine reaches the Service, by a tunnel to one of its pods, once it is there."""
    tunnels: list[subprocess.Popen[str]] = []

    def open_tunnel() -> str:
        port = free_port()
        command = ["kubectl", "port-forward", f"--namespace={served.namespace}"]
        command += [f"service/{served.name}", f"{port}:80"]
        tunnels.append(
            subprocess.Popen(command, stdout=subprocess.DEVNULL, text=True, start_new_session=True)
        )
        for _ in range(100):
            if get(f"http://127.0.0.1:{port}/readyz")[0] == 200:
                break
            time.sleep(0.1)
        return f"http://127.0.0.1:{port}"

    yield open_tunnel
    for each in tunnels:
        stop(each)


def test_the_first_deployment_and_the_way_to_the_next_ones_and_back(
    served: Any, digest: Callable[[str], str], address: Callable[[], str]
) -> None:
    image = digest("serving").partition(":")[2][:12]
    nothing = served.project.make("status", "ENV=staging", check=False)
    assert nothing.returncode
    assert "nothing is served" in nothing.stdout

    shown = served.make("deploy")
    assert f"Deployment {served.name} is new" in shown
    assert re.search(LINE.format(3, image), shown.splitlines()[-1])
    assert "It is the registry's champion" in served.make("status")
    served.make("conformance", f"URL={address()}")

    again = served.make("deploy")
    assert "nothing changes on the cluster" in again
    assert re.search(LINE.format(3, image), again.splitlines()[-1])

    one = served.make("deploy", "VERSION=1")
    assert re.search(r'-\s+model.blueprint/version: "3"\n(.*\n)*?\+.*version: "1"', one)
    found = re.search(LINE.format(1, image), one.splitlines()[-1])
    assert found
    print(f"  make deploy: {found[1]} s")
    assert served.answers() == "1"
    status = served.project.make("status", "ENV=staging", check=False)
    assert status.returncode
    assert "version 3 is the registry's champion" in status.stdout
    assert max(map(len, status.stdout.splitlines())) <= 80


def test_three_rollouts_lose_no_request(served: Any, instance: str) -> None:
    served.make("deploy")
    clients = Clients(served.namespace, served.name, served.pods()[0], instance, 90)
    for version in ("1", "2", "3"):
        served.make("deploy", f"VERSION={version}")
    answers = clients.answers(140)
    assert {*answers} == {"200 1", "200 2", "200 3"}
    assert sum(answers.values()) >= 2000


@pytest.mark.slow
def test_a_pod_that_is_deleted_or_evicted_loses_no_request(served: Any, instance: str) -> None:
    floor = {"op": "replace", "path": "/spec/minReplicas", "value": 2}
    served.overlay(floor, kind="HorizontalPodAutoscaler")
    served.make("deploy")
    at, scaled = f"--namespace={served.namespace}", f"deployment/{served.name}"
    kubectl("scale", at, scaled, "--replicas=2")  # as the autoscaler does, where it has metrics
    kubectl("rollout", "status", at, scaled, "--timeout=90s")
    clients = Clients(served.namespace, served.name, served.pods()[0], instance, 40)
    kubectl("delete", at, "pod", served.pods()[0]["metadata"]["name"], "--wait=false")
    kubectl("rollout", "status", at, scaled, "--timeout=90s")
    let_go = [served.evict(pod["metadata"]["name"]) for pod in served.pods()]
    assert let_go == [True, False], "one may go, and only then the other"
    assert {*clients.answers(90)} == {"200 3"}


@pytest.mark.slow
def test_a_rollback_moves_the_alias_and_the_pods(served: Any) -> None:
    served.make("deploy")
    try:
        assert "version 2 is the champion again" in served.make("rollback")
        assert served.answers() == "2"
        assert "It is the registry's champion" in served.make("status")
    finally:
        served.make("promote", "VERSION=3")  # the registry is every test's


BROKEN = {
    "crashes at start": ("server", "MLOPS_SERVING__PORT", "none", "server failed"),
    "is never ready": ("server", "MLOPS_SERVING__PORT", "8081", "is not ready"),
    "gets no model": ("fetch-model", "MLOPS_FETCH__SECONDS", "0.01", "fetch-model failed"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_never_answers(served: Any, case: str) -> None:
    served.make("deploy", "VERSION=1")
    container, name, value, expected = BROKEN[case]
    served.set_variable(container, name, value)
    served.configure(timeout_seconds=40)
    start = time.monotonic()
    error = served.fails("deploy", "VERSION=2")
    assert time.monotonic() - start < 90
    assert expected in error
    assert "its log ends: " in error
    assert re.search(r"version 1 \([0-9a-f]{12}\) serves on$", error)
    served.settles_on("1")
    assert served.answers() == "1"


@pytest.mark.slow
def test_files_that_are_not_the_registered_ones_are_not_served(
    served: Any, prepared: tuple[Project, str]
) -> None:
    served.make("deploy", "VERSION=1")
    code = """
import sys
from mlflow import MlflowClient
client, name = MlflowClient(sys.argv[1], registry_uri=sys.argv[1]), "digit-recognition"
before = client.get_model_version(name, "2").tags["model.files_sha256"]
client.set_model_version_tag(name, "2", "model.files_sha256", sys.argv[2] or before)
print(before)
"""
    tag = served.project.run_python("-c", code, prepared[1], "0" * 64).strip()
    try:
        error = served.fails("deploy", "VERSION=2")
    finally:
        served.project.run_python("-c", code, prepared[1], tag)
    assert "fetch-model failed" in error
    assert "version 1 (" in error
    served.settles_on("1")


@pytest.mark.slow
def test_a_mistake_costs_one_line_and_changes_nothing(served: Any, tmp_path: Path) -> None:
    served.make("deploy", "VERSION=1")
    assert "no version 77" in served.fails("deploy", "VERSION=77")
    context = cluster.context()
    served.configure(context="another")
    assert "deploy.context is another" in served.fails("deploy")
    served.configure(context=context, namespace="nowhere")
    assert "there is no namespace nowhere" in served.fails("deploy")
    served.configure(namespace=served.namespace, timeout_seconds=40)

    images = served.project.path / "build" / "images.json"
    built = images.read_text()
    images.write_text(re.sub(r"(serving@sha256:)[0-9a-f]{8}", r"\g<1>00000000", built))
    error = served.fails("deploy", "VERSION=2")
    assert "cannot be pulled" in error
    assert error.endswith("serves on")
    images.write_text(built)

    quota = f"--namespace={served.namespace}"
    kubectl("create", quota, "quota", "few", "--hard=pods=1")
    assert "exceeded quota" in served.fails("deploy", "VERSION=2")
    kubectl("delete", quota, "quota", "few")
    cpu = "/spec/template/spec/containers/0/resources/requests/cpu"
    served.overlay({"op": "replace", "path": cpu, "value": "900"})
    assert "Insufficient cpu" in served.fails("deploy", "VERSION=2")
    served.settles_on("1")
    assert served.answers() == "1"


@pytest.mark.slow
def test_a_first_deployment_that_fails_leaves_no_pod(served: Any) -> None:
    served.set_variable("server", "MLOPS_SERVING__PORT", "none")
    error = served.fails("deploy")
    assert error.endswith("Nothing was served before, so the Deployment is removed again")
    named = f"deployment/{served.name}"
    assert not kubectl("get", f"--namespace={served.namespace}", named, check=False)


@pytest.mark.slow
def test_who_may_not_is_told_what(served: Any, tmp_path: Path) -> None:
    at = f"--namespace={served.namespace}"
    kubectl("create", at, "serviceaccount", "reader")
    reader = f"--serviceaccount={served.namespace}:reader"
    kubectl("create", at, "rolebinding", "reader", "--clusterrole=view", reader)
    token, file = kubectl("create", at, "token", "reader"), tmp_path / "kubeconfig"
    file.write_text(kubectl("config", "view", "--raw", "--minify", "--flatten"))
    given = f"--kubeconfig={file}"
    kubectl("config", given, "set-credentials", "reader", f"--token={token}")
    kubectl("config", given, "set-context", "--current", "--user=reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(file))
        error = served.fails("deploy")
        found = served.project.make("doctor", "ENV=staging", check=False).stdout
    assert re.search(r"reader may not (patch|create) \w+", error)
    assert f"in namespace {served.namespace}" in error
    assert "patch deployments" in " ".join(found.split())
    assert not served.pods()
