"""What Flux tells others, and who tells Flux: its real notification-controller, with the project's
own infrastructure/configs/notifications and receiver.

A receiver is asked at FLUX_RECEIVER, by default where `kubectl port-forward -n flux-system
svc/webhook-receiver 9792:80` puts it.
"""

import hashlib
import hmac
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from support import cluster, flux_cluster, manifests
from support.cluster import kubectl
from support.flux_cluster import SYSTEM, Repository, secret, wait_until
from support.pods import apply
from support.project import Project

pytestmark = pytest.mark.slow
RECEIVERS = os.environ.get("FLUX_RECEIVER", "http://127.0.0.1:9792")
SIGNS = "a-token-that-signs-what-is-pushed"


@pytest.fixture
def served(flux_project: Project, copy_of: Callable[..., Any]) -> Any:
    return copy_of(flux_project)


@pytest.fixture
def repository(served: Any) -> Iterator[Repository]:
    """The project in Git, and Flux follows it."""
    file, name = served.project.path / "config" / "staging.yaml", served.namespace
    content = yaml.safe_load(file.read_text())
    content["gitops"] = {
        "provider": "git",
        "repository": f"{flux_cluster.URL}/{name}.git",
        "review": False,
        "source": name,
        "kustomization": name,
        "timeout_seconds": 150,
    }
    file.write_text(yaml.safe_dump(content))
    made = Repository(served.project.path, name)
    with flux_cluster.followed(made):
        yield made


@pytest.fixture
def told() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Somebody whom Flux tells: the address, and what was posted there."""
    posted: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer((cluster.host(), 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{cluster.host()}:{server.server_port}/flux", posted
    server.shutdown()
    server.server_close()


def part(project: Project, name: str, app: str) -> list[dict[str, Any]]:
    """The objects of a part of infrastructure/configs that Flux's controllers know, for a
    Kustomization and a source of this test's own."""
    built = manifests.build(project.path / "infrastructure" / "configs" / name)
    objects = [yaml.safe_load(json.dumps(each)) for each in manifests.objects(built)]
    known = [each for each in objects if "toolkit.fluxcd.io" in each["apiVersion"]]
    for each in known:
        for source in each["spec"].get("eventSources", []) + each["spec"].get("resources", []):
            if source["name"] in ("app", "flux-system", "*"):  # others use this cluster, too
                source["name"] = app
    return known


def test_what_was_applied_and_what_was_not_is_told(
    served: Any,
    repository: Repository,
    damaged: Callable[[str], Any],
    told: tuple[str, list[dict[str, Any]]],
) -> None:
    address, posted = told
    objects = part(served.project, "notifications", repository.name)
    apply(secret("notifications", SYSTEM, address=address), *objects)
    try:
        served.make("promote", "VERSION=1")
        served.make("deploy")
        wait_until(lambda: bool(posted), "the version is told", 30)
        assert {(each["severity"], each["involvedObject"]["name"]) for each in posted} == {
            ("info", repository.name)
        }
        assert posted[-1]["metadata"]["revision"] == f"main@sha1:{repository.head()}"
        assert [each["message"][:19] for each in posted] == ["Health check passed"]
        flux_cluster.reconcile("kustomization", repository.name)
        with damaged("2"):
            served.make("promote", "VERSION=2")
        bad = repository.head()
        served.fails("deploy")
        wait_until(
            lambda: any(each["severity"] == "error" for each in posted), "the failure is told", 150
        )
        failures = [each for each in posted if each["severity"] == "error"]
        assert {each["reason"] for each in failures} == {"HealthCheckFailed"}
        assert {each["metadata"]["revision"] for each in failures} == {f"main@sha1:{bad}"}
        served.make("deploy")
        wait_until(lambda: posted[-1]["severity"] == "info", "the revert is told", 30)
        time.sleep(5)
        print(f"  {[(each['severity'], each['message'][:60]) for each in posted]}")
        assert len(failures) == 1
        assert len(posted) == 3, "what is only looked at again is not told"
    finally:
        delete(objects, "notifications")


def test_a_push_is_applied_when_the_host_tells_it(served: Any, repository: Repository) -> None:
    served.make("promote", "VERSION=1")
    served.make("deploy")
    objects = part(served.project, "receiver", repository.name)
    apply(secret("receiver", SYSTEM, token=SIGNS), *objects)
    try:
        at = ("get", "receiver", "push", "-n", SYSTEM, "-o", "jsonpath={.status.webhookPath}")
        wait_until(lambda: bool(kubectl(*at)), "the receiver has its path", 30)
        path = kubectl(*at)
        served.make("promote", "VERSION=2")
        time.sleep(3)
        assert served.answers() == "1", "nobody has told Flux, and it looks every 10 minutes"
        assert post(path, "another token") >= 400
        start = time.monotonic()
        assert post(path, SIGNS) == 200
        where = ("deployment", served.name, "-n", served.namespace)
        template = ("get", *where, "-o", "jsonpath={.spec.template}")
        second = '"model.blueprint/version":"2"'
        wait_until(lambda: second in kubectl(*template), "the push is applied", 30)
        print(f"  pushed and told: applied after {time.monotonic() - start:.1f} s")
    finally:
        delete(objects, "receiver")


def post(path: str, token: str) -> int:
    """Tell of a push as GitHub does, signed; the status of the answer."""
    body = json.dumps({"ref": "refs/heads/main"}).encode()
    signature = hmac.new(token.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    request = urllib.request.Request(f"{RECEIVERS}{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def delete(objects: list[dict[str, Any]], name: str) -> None:
    for each in objects:
        kubectl("delete", f"{each['kind']}/{each['metadata']['name']}", "-n", SYSTEM, check=False)
    kubectl("delete", f"secret/{name}", "-n", SYSTEM, check=False)
