"""Pull and merge requests: the same tests by GitHub's API and by GitLab's."""

import pytest

from blueprint.deploy.git.hosts import Change
from blueprint.errors import UserError

FILE, BRANCH = "kustomization.yaml", "promote/staging"
OPENS = {"github": "POST .*/pulls$", "gitlab": "POST .*/merge_requests$"}


@pytest.fixture(params=["github", "gitlab"])
def way(request):
    return request.param


@pytest.fixture
def git(connect, way):
    return connect(way)


@pytest.fixture
def propose(git):
    """Put a version into the branch, as a promotion does."""

    def run(version):
        change = Change({FILE: f"version: {version}\n"}, f"Version {version}")
        commit = git.commit(change, BRANCH, git.head("main"), replace=True)
        return commit, git.open(BRANCH, "main", f"Version {version}", f"| {version} |")

    return run


def test_a_review_is_opened_and_updated_in_place(git, propose, forge):
    assert git.review(BRANCH, "main") is None
    _, first = propose(2)
    assert git.review(BRANCH, "main") == first
    assert (first.number, first.branch, first.state) == ("1", BRANCH, "open")
    assert first.url.startswith(forge.url)
    _, second = propose(3)
    assert second == first
    [request] = forge.requests
    assert (request.title, request.text) == ("Version 3", "| 3 |")
    assert forge.repository.show(BRANCH, FILE) == "version: 3\n"
    assert git.review(BRANCH, "release") is None


@pytest.mark.parametrize("squash", [False, True])
def test_a_merged_review_is_found_by_its_commit(git, propose, forge, squash):
    commit, review = propose(2)
    assert git.of_commit(commit) is None
    merged = forge.merge(1, squash)
    assert forge.repository.show("main", FILE) == "version: 2\n"
    found = git.of_commit(git.history(FILE, "main", 1)[0])
    assert found == git.of_commit(merged) == git.review(BRANCH, "main")
    assert (found.number, found.state) == (review.number, "merged")
    git.comment(found, "version 2 answers")
    assert forge.requests[0].comments == ["version 2 answers"]
    by_hand = forge.repository.push("main", {FILE: "version: 9\n"})
    assert git.of_commit(by_hand) is None
    assert git.of_commit("1" * 40) is None


def test_one_that_was_merged_elsewhere_is_another(git, propose, forge):
    propose(2)
    merged = forge.merge(1)
    forge.requests[0].base = "release"
    assert git.of_commit(merged) is None


def test_after_a_closed_one_a_new_one_is_opened(git, propose, forge):
    propose(2)
    forge.requests[0].state = "closed"
    assert git.review(BRANCH, "main").state == "closed"
    _, second = propose(3)
    assert (second.number, second.state) == ("2", "open")
    assert [each.state for each in forge.requests] == ["closed", "open"]
    assert forge.requests[0].title == "Version 2"


def test_an_open_one_comes_before_newer_ones(git, propose, forge):
    propose(2)
    forge.requests[0].state = "closed"
    propose(3)
    forge.merge(2)
    assert git.review(BRANCH, "main").number == "2"
    forge.requests[0].state = "open"
    assert git.review(BRANCH, "main").number == "1"


def test_one_that_somebody_opens_meanwhile_is_updated(git, way, connect, forge):
    change = Change({FILE: "version: 2\n"}, "Version 2")
    git.commit(change, BRANCH, git.head("main"))
    forge.meanwhile = [(OPENS[way], lambda: connect(way).open(BRANCH, "main", "theirs", ""))]
    assert git.open(BRANCH, "main", "mine", "text").number == "1"
    assert [each.title for each in forge.requests] == ["mine"]


def test_a_request_of_a_fork_is_not_this_one(git, propose, forge):
    propose(2)
    forge.requests[0].fork = True  # anybody may name a branch of a fork like that
    assert git.review(BRANCH, "main") is None
    _, mine = propose(3)
    assert mine.number == "2"
    assert forge.requests[0].title == "Version 2"


def test_texts_are_cut_where_the_host_would_reject_them(git, propose, forge):
    propose(2)
    git.open(BRANCH, "main", "t" * 300, "x" * 2_000_000)
    [request] = forge.requests
    assert request.title.startswith("t" * 200)
    assert request.text.endswith("x…")


def test_a_branch_that_is_not_there_cannot_be_reviewed(git, forge):
    with pytest.raises(UserError, match=r"rejects it \(4\d\d\): .*(head|source_branch|exist)"):
        git.open(BRANCH, "main", "title", "text")
    assert forge.requests == []
