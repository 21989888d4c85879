"""A project whose cluster follows Git: Flux's real controllers, a real Git server, real pods."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from support import flux_cluster, rendering
from support.clients import Clients
from support.cluster import kubectl
from support.flux_cluster import Repository, wait_until
from support.project import Project, environment

pytestmark = pytest.mark.slow  # Flux's controllers take minutes to build where they are not
RELEASED = "deploy/released/staging/kustomization.yaml"


@pytest.fixture
def served(flux_project: Project, copy_of: Callable[..., Any]) -> Any:
    return copy_of(flux_project)


@pytest.fixture
def repository(served: Any) -> Iterator[Repository]:
    """The project in Git, and Flux follows it; nothing is promoted yet."""
    file = served.project.path / "config" / "staging.yaml"
    content = yaml.safe_load(file.read_text())
    name = served.namespace
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


def test_a_promotion_is_one_line_and_a_revert_takes_it_back(
    served: Any, repository: Repository, instance: str
) -> None:
    assert "names no version yet: `make promote ENV=staging`" in served.fails("deploy")
    assert "version 3" in served.make("promote")
    shown = served.make("deploy")
    assert re.search(r"version 3 .* answers at .* after [\d.]+ s", shown.splitlines()[-1])
    assert served.answers() == "3"
    assert "It is the registry's champion" in served.make("status")

    clients = Clients(served.namespace, served.name, served.pods()[0], instance, 100)
    served.make("promote", "VERSION=1")
    assert repository.changes() == [f"1 1 {RELEASED}"]
    assert repository.commits()[0] == "Serve version 1 of digit-recognition in staging"
    before = repository.head()
    assert "asks for version 1" in served.make("promote", "VERSION=1")
    assert repository.head() == before, "asked again, it commits nothing"
    served.make("deploy")
    assert served.answers() == "1"

    repository.pull()
    rendering.git(served.project.path, "revert", "--no-edit", "HEAD")
    repository.push("nothing more")
    served.make("deploy")
    assert served.answers() == "3"
    served.make("rollback")
    served.make("deploy")
    assert served.answers() == "1"
    answers = clients.answers(160)
    assert {*answers} == {"200 1", "200 3"}, answers

    table = served.project.make("stack", "ENV=staging", check=False).stdout
    assert re.search(rf"folder {repository.name}\s+[0-9a-f]{{12}}\s+ready", table)


def test_what_cannot_be_served_is_taken_back_by_a_commit(
    served: Any, repository: Repository, damaged: Callable[[str], Any]
) -> None:
    served.make("promote", "VERSION=1")
    served.make("deploy")
    with damaged("2"):
        served.make("promote", "VERSION=2")
    start = time.monotonic()
    error = served.fails("deploy")
    assert time.monotonic() - start < 120
    assert re.search(r"version 2 \([0-9a-f]{12}\) is not served: .*fetch-model", error)
    assert re.search(r"Taken back: commit [0-9a-f]{12} asks for version 1", error)
    assert repository.commits()[0] == "Take version 2 back in staging"
    assert served.answers() == "1"
    served.make("deploy")
    served.settles_on("1")


def test_killed_between_commit_and_wait_it_makes_no_second_commit(
    served: Any, repository: Repository
) -> None:
    served.make("promote", "VERSION=1")
    served.make("deploy")
    served.make("promote", "VERSION=2")
    command = ["make", "deploy", "ENV=staging"]
    process = subprocess.Popen(
        command, cwd=served.project.path, env=environment(), start_new_session=True
    )
    time.sleep(3)
    subprocess.run(["pkill", "-KILL", "--session", str(process.pid)], check=True)
    process.wait()
    commits = repository.commits()
    served.make("promote", "VERSION=2")
    served.make("deploy")
    assert repository.commits() == commits
    assert served.answers() == "2"


def test_what_is_changed_or_deleted_by_hand_comes_back(served: Any, repository: Repository) -> None:
    served.make("promote")
    served.make("deploy")
    at = f"--namespace={served.namespace}"
    kubectl("delete", at, f"deployment/{served.name}")
    kubectl("delete", at, f"service/{served.name}")
    flux_cluster.reconcile("kustomization", repository.name)
    wait_until(lambda: served.answers() == "3", "the Deployment and its Service come back")


NO_KIND = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "one"}}
MISTAKES = {
    "a wrong value": (
        {"op": "add", "path": "/spec/replicas", "value": "many"},
        "Flux: ReconciliationFailed",
    ),
    "a path that is not there": ({"op": "remove", "path": "/spec/nothing"}, "Flux: BuildFailed"),
    "a kind whose CRD is missing": (NO_KIND, r'no matches for kind "Widget" in version "example'),
    "a Secret that is missing": (
        {
            "op": "add",
            "path": "/spec/template/spec/containers/0/envFrom",
            "value": [{"secretRef": {"name": "not-there"}}],
        },
        'secret "not-there" not found',
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_flux_cannot_apply_is_said_and_the_version_taken_back(
    served: Any, repository: Repository, mistake: str
) -> None:
    served.make("promote")
    served.make("deploy")
    served.make("promote", "VERSION=1")
    repository.pull()
    change, reason = MISTAKES[mistake]
    if "kind" in change:
        add(served, change)
    else:
        served.overlay(change)
    repository.push("A mistake")
    error = served.fails("deploy")
    assert reason in error
    assert "Taken back" in error
    assert served.answers() == "3"
    shown = sick_stack(served)
    row = next(line for line in shown.splitlines() if f"folder {repository.name}" in line)
    assert re.search(r" (failed|waiting) ", row), shown


def add(served: Any, thing: dict[str, Any]) -> None:
    """An object of its own in the overlay, as an owner would add it."""
    overlay = served.project.path / "deploy" / "overlays" / "staging"
    content = yaml.safe_load((overlay / "kustomization.yaml").read_text())
    content["resources"].append("more.yaml")
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(content))
    (overlay / "more.yaml").write_text(yaml.safe_dump(thing))


def sick_stack(served: Any) -> str:
    """What `make stack` says of a cluster where not everything is there."""
    done = served.project.make("stack", "ENV=staging", check=False)
    assert done.returncode, done.stdout
    return str(done.stdout)


def test_without_the_git_server_the_model_serves_on(served: Any, repository: Repository) -> None:
    served.make("promote")
    served.make("deploy")
    away = repository.bare.with_suffix(".away")
    repository.bare.rename(away)
    try:
        flux_cluster.reconcile("gitrepository", repository.name)
        assert repository.url.rpartition("/")[0] in served.fails("deploy")
        table = served.project.make("stack", "ENV=staging", check=False)
        assert re.search(rf"source {repository.name} .*failed", table.stdout)
        assert table.returncode
        assert served.answers() == "3"
    finally:
        away.rename(repository.bare)
    served.make("promote", "VERSION=2")
    served.make("deploy")
    assert served.answers() == "2"
