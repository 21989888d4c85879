"""The released folder in a real repository: changed by commits, by requests, by several at once."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blueprint.deploy.git import delivery
from blueprint.deploy.git.changes import Change, Review
from blueprint.deploy.git.hosts import host
from blueprint.deploy.git.release import FILE, pinned
from blueprint.deploy.git.repository import Repository
from blueprint.deploy.git.settings import Gitops
from blueprint.deploy.pin import Pin
from blueprint.errors import UserError

FOLDER = "deploy/released/staging"
ONE, TWO = Pin("1", "a" * 64, "s3://bucket/1"), Pin("2", "b" * 64, "s3://bucket/2")


def text(pin: Pin) -> str:
    pairs = ", ".join(f'"{key}": "{value}"' for key, value in pin.annotations.items())
    return "patches: ['[{" + pairs + "}]']\n"


class WithRequests:
    """A host that opens requests: plain Git, and a list of what was opened."""

    def __init__(self, git: Any, *, protected: bool = False) -> None:
        self.git, self.protected = git, protected
        self.requests: list[Review] = []
        self.comments: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.git, name)

    def commit(self, change: Change, branch: str, onto: str, *, replace: bool = False) -> str:
        if self.protected and branch == "main":
            raise UserError("main is protected")
        made: str = self.git.commit(change, branch, onto, replace=replace)
        return made

    def review(self, branch: str, base: str) -> Review | None:
        return next((each for each in self.requests if each.branch == branch), None)

    def open(self, branch: str, base: str, title: str, text: str) -> Review:
        if not (there := self.review(branch, base)):
            there = Review("7", f"https://example.com/{branch}", branch, "open")
            self.requests.append(there)
        return there


@pytest.fixture
def gitops(tmp_path: Path) -> Gitops:
    """A bare repository whose main has the folder, without a version."""
    bare, work = tmp_path / "bare.git", tmp_path / "work"
    run = lambda *words: subprocess.run(["git", *words], check=True, capture_output=True)  # noqa: E731
    run("init", "-q", "--bare", "-b", "main", str(bare))
    run("clone", "-q", str(bare), str(work))
    (work / FOLDER).mkdir(parents=True)
    (work / FOLDER / FILE).write_text("resources: []\n")
    run("-C", str(work), "checkout", "-q", "-B", "main")
    run("-C", str(work), "add", "-A")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    run("-C", str(work), *who, "commit", "-q", "-m", "The start")
    run("-C", str(work), "push", "-q", "origin", "main")
    return Gitops(provider="git", review=False, repository=f"file://{bare}", path=FOLDER)


def put(pin: Pin) -> Callable[[str | None], dict[str, str]]:
    return lambda _: {FILE: text(pin)}


def test_a_change_is_one_commit_and_none_when_asked_again(gitops: Gitops) -> None:
    repository, start = Repository(gitops), Repository(gitops).head()
    assert repository.pin(start) is None
    changed = repository.change(put(ONE), "Serve version 1", "")
    assert changed.commit == repository.head() != start
    assert repository.pin(repository.head()) == ONE
    assert repository.change(put(ONE), "Serve version 1", "").commit is None
    assert repository.git.history(f"{FOLDER}/{FILE}", "main", 5) == [changed.commit, start]


def test_two_who_commit_at_once_both_do_and_each_sees_the_other(gitops: Gitops) -> None:
    other, seen = Repository(gitops), []

    def wanted(now: str | None) -> dict[str, str]:
        if not seen:  # somebody is faster, between reading and committing
            other.change(put(ONE), "Serve version 1", "")
        seen.append(pinned(now))
        return {FILE: text(TWO)}

    Repository(gitops).change(wanted, "Serve version 2", "")
    assert seen == [None, ONE]
    assert other.pin(other.head()) == TWO
    assert len(other.git.history(f"{FOLDER}/{FILE}", "main", 5)) == 3


def test_a_request_that_is_open_is_updated_and_one_that_says_the_same_is_left_alone(
    gitops: Gitops,
) -> None:
    git = WithRequests(host(gitops, None))
    repository = Repository(gitops, git)  # type: ignore[arg-type]
    start, branch = repository.head(), "promote/staging"
    first = repository.change(put(ONE), "Serve version 1", "", branch)
    assert repository.change(put(ONE), "Serve version 1", "", branch) == first
    second = repository.change(put(TWO), "Serve version 2", "", branch)
    assert second.commit != first.commit
    assert second.review == first.review
    assert repository.head() == start, "nobody has approved anything"
    assert repository.pin(git.head(branch)) == TWO
    assert len(git.requests) == 1


def test_what_brought_a_version_is_found_after_it_was_taken_back(gitops: Gitops) -> None:
    repository = Repository(gitops)
    commits = [
        repository.change(put(pin), f"Serve version {pin.version}", "").commit
        for pin in (ONE, TWO, ONE)
    ]
    assert (repository.brought(TWO), repository.brought(ONE)) == (commits[1], commits[2])
    assert repository.brought(Pin("3", "c" * 64, "")) is None


class Applied:
    """Flux, which has applied a commit."""

    def __init__(self, commit: str) -> None:
        self.applied, self.hurried = commit, 0

    def state(self) -> "Applied":
        return self

    def hurry(self) -> None:
        self.hurried += 1


def test_a_version_is_taken_back_to_what_flux_had_applied(gitops: Gitops) -> None:
    repository = Repository(gitops)
    repository.change(put(ONE), "Serve version 1", "")
    flux: Any = Applied(repository.head())
    repository.change(put(TWO), "Serve version 2", "")
    said = delivery.take_back(repository, flux, TWO)
    assert said == f"Taken back: commit {repository.head()[:12]} asks for {ONE}"
    assert repository.pin(repository.head()) == ONE
    assert flux.hurried == 1
    assert delivery.take_back(repository, flux, TWO) == "Git asks for another by now"


def test_on_a_protected_branch_that_is_a_request(gitops: Gitops) -> None:
    repository = Repository(gitops)
    repository.change(put(ONE), "Serve version 1", "")
    flux: Any = Applied(repository.head())
    repository.change(put(TWO), "Serve version 2", "")
    git: Any = WithRequests(repository.git, protected=True)
    said = delivery.take_back(Repository(gitops, git), flux, TWO)
    assert (
        said == f"To take it back, approve https://example.com/revert/staging, which asks for {ONE}"
    )
    assert repository.pin(repository.head()) == TWO
    assert repository.pin(str(git.head("revert/staging"))) == ONE


def test_a_branch_that_is_not_there_is_named(gitops: Gitops) -> None:
    elsewhere = gitops.model_copy(update={"branch": "release"})
    with pytest.raises(UserError, match=r"bare.git \(gitops.repository\) has no branch release"):
        Repository(elsewhere).head()
