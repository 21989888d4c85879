"""Promotions by pull request: the host of a project's own tests with a real bare repository, Flux's
real controllers that follow it, and `make` or a pod of the pipeline that asks."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import flux_cluster, forge, pods, rendering, step_in_pod
from support.cluster import kubectl
from support.flux_cluster import Repository, wait_until
from support.forge import EXPIRED, NAME, READER, TOKEN, Forge
from support.project import Project, environment
from support.step_in_pod import Steps

pytestmark = pytest.mark.slow
RELEASED = "deploy/released/staging/kustomization.yaml"
LAX = "train.epochs=20 gate.champion.margin=0.9 gate.floors.accuracy=0.1"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    with forge.opened(tmp_path) as opened:
        monkeypatch.setenv("GIT_TOKEN", TOKEN)
        yield opened


@pytest.fixture
def served(flux_project: Project, copy_of: Callable[..., Any]) -> Any:
    return copy_of(flux_project)


@pytest.fixture
def repository(served: Any, host: Forge) -> Repository:
    """The project in the host's repository; Flux does not follow it."""
    configure(served, host)
    return Repository(served.project.path, served.namespace, host)


@pytest.fixture
def followed(repository: Repository) -> Iterator[Repository]:
    with flux_cluster.followed(repository):
        yield repository


def configure(served: Any, host: Forge, **gitops: Any) -> None:
    """The section `gitops` of config/staging.yaml."""
    file = served.project.path / "config" / "staging.yaml"
    content = yaml.safe_load(file.read_text())
    section = {
        "provider": "github",
        "repository": f"{host.url}/{NAME}.git",
        "api": f"{host.url}/github",
        "source": served.namespace,
        "kustomization": served.namespace,
        "timeout_seconds": 150,
    }
    content["gitops"] = section | gitops
    file.write_text(yaml.safe_dump(content))


@pytest.fixture
def steps(served: Any, followed: Repository, tmp_path: Path, model: str) -> Iterator[Steps]:
    with step_in_pod.ready(served.project, served.namespace, followed, tmp_path, model) as ready:
        yield ready


def test_a_pod_proposes_and_follows_what_is_merged(
    served: Any, followed: Repository, host: Forge, steps: Steps
) -> None:
    assert f"is proposed for staging: {host.url}/{NAME}/pull/1" in served.make(
        "promote", "VERSION=1"
    )
    host.merge(1)
    assert served.make("deploy").count("answers at") == 1
    [comment] = host.requests[0].comments
    assert re.match(r"version 1 \(\w{12}\) in image \w{12} answers at \S+ after [\d.]+ s$", comment)

    said = steps.run(TOKEN)
    assert said[-2].startswith("[deploy_model] says: version 3 (")
    assert said[-2].endswith(") waits for whoever approves it")
    request = host.requests[1]
    assert request.title == "Serve version 3 of digit-recognition in staging"
    assert f"Asked for by the pipeline's run {step_in_pod.RUN}." in request.text
    assert re.search(r"^\| accuracy \| [\d.]+ \| [\d.]+ \|$", request.text, re.MULTILINE)
    assert followed.changes(request.branch) == [f"1 1 {RELEASED}"]
    before = followed.head()
    steps.run(TOKEN)
    assert len(host.requests) == 2
    assert followed.head() == before, "nobody has approved anything"
    assert served.answers() == "1"

    host.merge(2, squash=True)
    said = steps.run(TOKEN)
    assert re.search(r"says: version 3 .* answers at \S+ after", said[-2])
    assert served.answers() == "3"
    assert len(host.requests[1].comments) == 1
    assert "version 3" in host.requests[1].comments[0]


def test_a_pod_commits_once_however_often_it_is_killed(
    served: Any, followed: Repository, host: Forge, steps: Steps
) -> None:
    served.make("promote", "VERSION=1")
    host.merge(1)
    served.make("deploy")
    configure(served, host, review=False)
    before = followed.head()
    pod = steps.start(TOKEN)
    wait_until(lambda: followed.head() != before, "the pod commits")
    steps.kill(pod)
    commits = followed.commits()
    assert commits[0] == "Serve version 3 of digit-recognition in staging"
    assert followed.changes() == [f"1 1 {RELEASED}"]
    said = steps.run(TOKEN)
    assert "main asks for version 3" in "\n".join(said)
    assert re.search(r"says: version 3 .* answers at \S+ after", said[-2])
    assert followed.commits() == commits
    assert served.answers() == "3"


def test_a_pod_whose_token_is_not_taken_fails_with_one_line(
    served: Any, followed: Repository, host: Forge, steps: Steps
) -> None:
    served.make("promote", "VERSION=1")
    host.merge(1)
    served.make("deploy")
    configure(served, host, review=False)
    before = followed.head()
    for token, words in (
        (EXPIRED, "does not accept the token (Bad credentials): it has expired or was revoked"),
        (READER, "the token may not do this on"),
    ):
        *_, last = steps.run(token, "Failed")
        assert last.startswith("[deploy_model] failed: ")
        assert words in last
        assert token not in last
    assert followed.head() == before
    pod = steps.start(TOKEN)
    wait_until(lambda: steps.phase(pod) == "Succeeded", "the step ends", 120)
    assert served.answers() == "3"


@pytest.fixture
def champion(prepared: tuple[Project, str]) -> Iterator[Callable[[], str]]:
    """The number of the champion; afterwards it is again what it was: the registry is every
    test's."""
    project, uri = prepared

    def run(code: str) -> str:
        start = "from mlflow import MlflowClient; import sys; uri, name = sys.argv[1:]; "
        start += "client = MlflowClient(uri, registry_uri=uri); "
        return project.run_python("-c", start + code, uri, "digit-recognition").strip()

    def number() -> str:
        return run("print(client.get_model_version_by_alias(name, 'champion').version)")

    before = number()
    yield number
    run(f"client.set_registered_model_alias(name, 'champion', '{before}')")


def test_a_pipeline_commits_what_it_accepts_and_ends_when_it_answers(
    served: Any, followed: Repository, host: Forge, steps: Steps, champion: Callable[[], str]
) -> None:
    served.make("promote", "VERSION=1")
    host.merge(1)
    served.make("deploy")
    configure(served, host, review=False)
    secret = {"digit-recognition-git": {"token": "GIT_TOKEN"}}
    pods.apply(flux_cluster.secret("digit-recognition-git", served.namespace, token=TOKEN))
    every = f"'pipeline.every={json.dumps({'secrets': secret, 'run_as_non_root': True})}'"
    served.make("compile", f"ARGS={LAX} train.seed=57 {every}")
    command = pods.command(served.project, served.namespace, steps.root)
    done = subprocess.run(
        command, cwd=served.project.path, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    number = champion()
    ended = json.loads((steps.root / "steps.json").read_text())[-1]
    assert (ended["step"], ended["state"]) == ("deploy_model", "succeeded")
    said = rf"^\[deploy_model\] says: version {number} .* answers at \S+ after [\d.]+ s$"
    assert re.search(said, ended["log"], re.MULTILINE)
    assert served.answers() == number
    message = rendering.git(followed.bare, "log", "-1", "--format=%B", "main")
    assert message.startswith(f"Serve version {number} of digit-recognition in staging\n")
    assert re.search(r"Asked for by the pipeline's run \S+\.", message)
    assert followed.changes() == [f"1 1 {RELEASED}"]


TOKENS = {
    "none": ("", "wants a login (404: Not Found): set GIT_TOKEN in the environment"),
    "expired": (EXPIRED, "it has expired or was revoked; set GIT_TOKEN to a new one"),
    "one that only reads": (READER, "Resource not accessible by personal access token): it needs"),
}


@pytest.mark.parametrize("token", TOKENS)
def test_without_the_rights_nothing_is_asked_for(
    served: Any, repository: Repository, host: Forge, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, words = TOKENS[token]
    monkeypatch.setenv("GIT_TOKEN", given)
    before = refs(repository)
    error = served.fails("promote")
    assert words in error
    assert not given or given not in error
    assert refs(repository) == before
    assert host.requests == []


def test_a_protected_branch_takes_a_version_by_a_request_alone(
    served: Any, repository: Repository, host: Forge
) -> None:
    host.repository.protect("main")
    configure(served, host, review=False)
    before = refs(repository)
    error = served.fails("promote")
    assert "main is protected (Changes must be made through a pull request.)" in error
    assert "gitops.review: true has people approve it" in error
    assert refs(repository) == before
    configure(served, host)
    assert "/pull/1" in served.make("promote")


def test_what_was_closed_or_lost_its_base_is_proposed_again(
    served: Any, repository: Repository, host: Forge
) -> None:
    start, branch = repository.head(), "promote/staging"
    served.make("promote", "VERSION=1")
    host.requests[0].state = "closed"
    assert "/pull/2" in served.make("promote", "VERSION=1")
    assert [each.state for each in host.requests] == ["closed", "open"]

    host.merge(2)
    served.make("promote", "VERSION=2")
    served.make("promote", "VERSION=2")
    assert own(host, branch) == 1
    host.repository.git("update-ref", "refs/heads/main", start)  # version 1 is not in it any more
    assert own(host, branch) == 3
    assert "/pull/3" in served.make("promote", "VERSION=2")
    assert own(host, branch) == 1, "what was taken out of main does not come back"

    # Somebody is faster: the line has changed, and what is open could not be merged.
    host.merge(3)
    served.make("promote", "VERSION=1")
    text = str(host.repository.show("main", RELEASED))
    host.repository.push("main", {RELEASED: f"{text}# by hand\n"})
    served.make("promote", "VERSION=1")
    assert own(host, branch) == 1
    host.merge(4)


def test_a_base_that_is_forced_meanwhile_is_committed_upon(
    served: Any, repository: Repository, host: Forge
) -> None:
    served.make("promote", "VERSION=1")
    host.merge(1)
    configure(served, host, review=False)
    tree = host.repository.git("rev-parse", "main^{tree}").strip()
    forced = host.repository.commit(tree, [], "All of it as one commit")
    change = ("update-ref", "refs/heads/main", forced)
    host.meanwhile = [("PATCH .*/git/refs/heads/main", lambda: host.repository.git(*change))]
    assert "is in main: commit" in served.make("promote", "VERSION=2")
    assert not host.meanwhile
    assert repository.commits() == [
        "Serve version 2 of digit-recognition in staging",
        "All of it as one commit",
    ]
    assert repository.changes() == [f"1 1 {RELEASED}"]


@pytest.mark.parametrize("review", [True, False])
def test_of_two_who_promote_at_once_one_wins_and_the_other_is_told(
    served: Any, repository: Repository, host: Forge, tmp_path: Path, review: bool
) -> None:
    served.make("promote", "VERSION=3")
    host.merge(1)
    configure(served, host, review=review)
    other = tmp_path / "other"
    shutil.copytree(served.project.path, other, symlinks=True)
    before = repository.head()
    processes = {
        version: subprocess.Popen(
            ["make", "promote", "ENV=staging", f"VERSION={version}"],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for version, folder in (("1", served.project.path), ("2", other))
    }
    errors = {}
    for version, process in processes.items():
        _, text = process.communicate(timeout=120)
        if process.returncode:
            lines = [line for line in text.splitlines() if "make: ***" not in line]
            assert len(lines) == 1, text
            errors[version] = lines[0]
    print(f"  {errors}")
    branch = "promote/staging" if review else "main"
    [won] = re.findall(r'"model.blueprint/version": "(\d)"', host.repository.show(branch, RELEASED))
    assert own(host, branch, before) == (1 if review else 2)
    assert won not in errors
    if review:
        [request] = host.open_requests(branch)
        assert request.title == f"Serve version {won} of digit-recognition in staging"
        assert f"| version | {won} (" in request.text
        for error in errors.values():
            assert re.match(rf"error: somebody else proposes version {won} \(\w+\) for stag", error)
        assert repository.head() == before
    else:
        assert not errors
        assert {*repository.commits()[:2]} == {
            f"Serve version {version} of digit-recognition in staging" for version in "12"
        }
        assert repository.changes("main~1") == repository.changes() == [f"1 1 {RELEASED}"]


@pytest.mark.parametrize("protected", [False, True])
def test_what_was_taken_back_is_said_on_its_request(
    served: Any, followed: Repository, host: Forge, damaged: Callable[[str], Any], protected: bool
) -> None:
    served.make("promote", "VERSION=1")
    host.merge(1)
    served.make("deploy")
    if protected:
        host.repository.protect("main")
    with damaged("2"):
        served.make("promote", "VERSION=2")
    host.merge(2)
    error = served.fails("deploy")
    [comment] = host.requests[1].comments
    assert f"error: {comment}" == error
    assert re.match(r"version 2 \(\w+\) is not served: .*fetch-model", comment)
    assert served.answers() == "1"
    if not protected:
        assert re.search(r"Taken back: commit \w{12} asks for version 1", comment)
    else:
        url = f"{host.url}/{NAME}/pull/3"
        assert f"To take it back, approve {url}, which asks for version 1" in comment
        assert host.requests[2].branch == "revert/staging"
        host.merge(3)
    served.make("deploy")
    served.settles_on("1")


def test_a_login_that_flux_lacks_is_named(served: Any, followed: Repository, host: Forge) -> None:
    configure(served, host, timeout_seconds=15)
    served.make("promote", "VERSION=1")
    kubectl("delete", "secret", followed.name, "-n", flux_cluster.SYSTEM)
    flux_cluster.reconcile("gitrepository", followed.name)
    host.merge(1)
    words = rf"Flux cannot read {followed.url}: .*secrets? \"{followed.name}\" not found"
    assert re.search(words, served.fails("deploy"))
    done = served.project.make("stack", "ENV=staging", check=False)
    assert done.returncode
    assert re.search(rf"source {followed.name} .*failed", done.stdout)


def own(host: Forge, branch: str, base: str = "main") -> int:
    """How many commits a branch has that its base has not."""
    return len(host.repository.log(f"{base}..{branch}"))


def refs(repository: Repository) -> str:
    return rendering.git(repository.bare, "for-each-ref")
