"""Several who propose a version at the same time, by GitHub's API and by GitLab's: the request says
what its branch has, and who is not the last one is told."""

import pytest
from gitops.shared import NAME, TOKEN

from blueprint.deploy.git.release import FILE
from blueprint.deploy.git.repository import Repository
from blueprint.deploy.git.settings import TOKEN as VARIABLE
from blueprint.deploy.git.settings import Gitops
from blueprint.deploy.pin import Pin
from blueprint.errors import UserError

FOLDER, BRANCH = "deploy/released/staging", "promote/staging"
PATH = f"{FOLDER}/{FILE}"
PINS = {number: Pin(number, number * 64, f"s3://bucket/{number}") for number in "123"}
OPENS = {"github": "POST .*/pulls$", "gitlab": "POST .*/merge_requests$"}
CHANGES = {"github": "PATCH .*/pulls/1$", "gitlab": "PUT .*/merge_requests/1$"}


def text(number):
    pairs = ", ".join(f'"{key}": "{value}"' for key, value in PINS[number].annotations.items())
    return "patches: ['[{" + pairs + "}]']\n"


@pytest.fixture(params=["github", "gitlab"])
def way(request):
    return request.param


@pytest.fixture
def propose(way, forge, monkeypatch):
    """Propose a version as somebody of the team does."""
    monkeypatch.setenv(VARIABLE, TOKEN)
    forge.repository.push("main", {PATH: text("1")})

    def run(number):
        gitops = Gitops(
            provider=way,
            repository=f"{forge.url}/{NAME}.git",
            api=f"{forge.url}/{way}",
            path=FOLDER,
        )
        wanted = {FILE: text(number)}
        return Repository(gitops).change(
            lambda _: wanted, f"Version {number}", f"| {number} |", BRANCH
        )

    return run


def asks_for(forge, number):
    """Whether the one request and its branch agree on that version."""
    [request] = forge.open_requests(BRANCH)
    assert forge.repository.show(BRANCH, PATH) == text(number)
    assert (request.title, request.text) == (f"Version {number}", f"| {number} |")
    assert len(forge.repository.log(f"main..{BRANCH}")) == 1


def test_whose_commit_is_replaced_before_the_request_is_told(propose, forge, way):
    propose("2")
    # Before the look at the branch that comes after the commit.
    look = {"github": f"GET .*/git/ref/heads/{BRANCH}", "gitlab": "GET .*/branches/promote"}[way]
    replaced = []

    def theirs():
        if forge.repository.show(BRANCH, PATH) != text("3"):
            forge.meanwhile.append((look, theirs))  # it is not committed yet: at the next look
        else:
            replaced.append(propose("2"))

    forge.meanwhile = [(look, theirs)]
    with pytest.raises(UserError, match=r"somebody else proposes version 2 \(2{12}\) for staging"):
        propose("3")
    assert replaced
    asks_for(forge, "2")


@pytest.mark.parametrize("calls", [OPENS, CHANGES])
def test_a_text_is_never_left_on_another_version(propose, forge, way, calls):
    """The other one commits and opens between our look and our own request."""
    if calls is CHANGES:
        propose("2")
    forge.meanwhile = [(calls[way], lambda: propose("3"))]
    changed = propose("2")
    assert not forge.meanwhile
    assert changed.commit == forge.repository.head(BRANCH)
    asks_for(forge, "2")


def test_two_who_propose_the_same_both_succeed(propose, forge, way):
    forge.meanwhile = [(OPENS[way], lambda: propose("2"))]
    assert propose("2").review.number == "1"
    asks_for(forge, "2")


def test_a_branch_upon_what_main_has_no_more_is_made_again(propose, forge):
    propose("2")
    forge.repository.push("main", {PATH: f"{text('1')}# by hand\n"})
    propose("2")
    assert len(forge.repository.log(f"main..{BRANCH}")) == 1
    at = forge.repository.head(BRANCH)
    forge.repository.push("main", {"README.md": "other files\n"})
    propose("2")
    assert forge.repository.head(BRANCH) == at, "whoever has approved it needs not do so again"
