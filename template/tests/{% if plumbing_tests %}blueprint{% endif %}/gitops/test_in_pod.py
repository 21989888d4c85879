"""`deploy_model` by Git, without a cluster: what it asks the host for, and when it follows."""

import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from gitops.shared import EXPIRED, NAME, TOKEN

from blueprint.deploy.git import delivery, in_pod
from blueprint.deploy.git.release import FILE
from blueprint.deploy.git.settings import TOKEN as VARIABLE
from blueprint.deploy.pin import Pin
from blueprint.errors import UserError

FOLDER = "deploy/released/staging"
ONE, TWO = Pin("1", "a" * 64, "s3://bucket/1"), Pin("2", "b" * 64, "s3://bucket/2")
DEPLOY = {"context": "staging", "namespace": "team", "name": "digits"}


def text(pin):
    pairs = ", ".join(f'"{key}": "{value}"' for key, value in pin.annotations.items())
    return "resources: [../base]\npatches: ['[{" + pairs + "}]']\n"


class Registry:
    """Two accepted versions, as MLflow would give them."""

    name, uri = "digits", "http://mlflow.example.com"
    client = SimpleNamespace(
        get_model_version_download_uri=lambda _, number: f"s3://bucket/{number}",
        get_model_version=lambda *_: SimpleNamespace(description="The card."),
    )

    def version(self, number):
        tags = {"model.files_sha256": {"1": ONE, "2": TWO}[number].sha256}
        return SimpleNamespace(
            number=number, tags=tags, metrics={}, run_id="r", accepted=True, before=()
        )

    @contextmanager
    def errors(self, _):
        yield


@pytest.fixture(params=["github", "gitlab"])
def gitops(request, forge, monkeypatch):
    """What a compiled pipeline hands to the step, and a branch main that asks for version 1."""
    monkeypatch.setenv(VARIABLE, TOKEN)
    forge.repository.push("main", {f"{FOLDER}/{FILE}": text(ONE)})
    return {
        "provider": request.param,
        "repository": f"{forge.url}/{NAME}.git",
        "api": f"{forge.url}/{request.param}",
        "path": FOLDER,
    }


@pytest.fixture
def followed(monkeypatch):
    """The versions that the step follows, in place of a cluster."""
    pins = []

    def bring(repository, served, pin, *_):
        pins.append(pin)
        return f"{pin} answers"

    monkeypatch.setattr(delivery, "bring", bring)
    monkeypatch.setattr(in_pod, "from_here", lambda _: None)
    monkeypatch.setattr(in_pod, "platform", lambda _: None)
    return pins


@pytest.fixture
def run(followed):
    def deploy(gitops, version="2", **more):
        return in_pod.deploy(gitops | more, DEPLOY, Registry(), version, print, "training-7")

    return deploy


def test_with_a_review_it_ends_when_the_request_is_open(run, gitops, forge, followed):
    before = forge.repository.head("main")
    assert run(gitops) == f"{TWO} waits for whoever approves it"
    [request] = forge.requests
    assert request.title == "Serve version 2 of digits in staging"
    assert "Asked for by the pipeline's run training-7." in request.text
    assert request.text.endswith("The card.")
    assert forge.repository.show("promote/staging", f"{FOLDER}/{FILE}") == text(TWO)
    at = forge.repository.head("promote/staging")
    run(gitops)
    assert forge.repository.head("promote/staging") == at, "asked again, nothing changes"
    assert forge.repository.head("main") == before
    assert followed == []


def test_what_is_merged_or_committed_is_followed_and_committed_once(run, gitops, forge, followed):
    before = forge.repository.head("main")
    for _ in range(2):  # as after a kill
        assert run(gitops, review=False) == f"{TWO} answers"
    assert len(forge.repository.log(f"{before}..main")) == 1
    assert run(gitops) == f"{TWO} answers", "with a review, after the merge"
    assert followed == [TWO] * 3
    assert forge.requests == []


def test_before_the_first_version_it_leaves_the_folder_alone(run, gitops, forge, followed):
    before = forge.repository.push("main", {f"{FOLDER}/{FILE}": "resources: []\n"})
    assert "names no version yet: `make promote` proposes it" in run(gitops)
    assert forge.repository.head("main") == before
    assert (forge.requests, followed) == ([], [])


def test_a_token_that_has_expired_changes_nothing(run, gitops, forge, followed, monkeypatch):
    monkeypatch.setenv(VARIABLE, EXPIRED)
    before = forge.repository.git("for-each-ref")
    with pytest.raises(UserError, match="it has expired or was revoked") as raised:
        run(gitops, review=False)
    assert EXPIRED not in str(raised.value)
    assert forge.repository.git("for-each-ref") == before
    assert followed == []


def test_the_step_says_which_section_it_lacks(gitops):
    with pytest.raises(UserError, match=r"no section deploy: docs/deploy\.md"):
        in_pod.deploy(gitops, {}, Registry(), "2", print)


def test_a_pod_has_nothing_that_makes_tables_or_commands():
    code = "import sys; sys.modules |= dict.fromkeys(['rich', 'typer', 'docker']); "
    code += "import blueprint.deploy.git.in_pod"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
