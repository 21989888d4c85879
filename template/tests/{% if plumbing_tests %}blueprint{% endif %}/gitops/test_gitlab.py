"""GitLab: a commit is compared by its files, and a protected branch told from a lack of rights."""

import pytest
from gitops.shared import TOKEN

from blueprint.deploy.git.hosts import Change
from blueprint.errors import UserError

FILE = "kustomization.yaml"


@pytest.fixture
def git(connect):
    return connect("gitlab")


def test_a_commit_of_other_files_in_between_stays(git, forge):
    base = forge.repository.push("main", {FILE: "version: 1\n"})
    forge.meanwhile = [
        ("POST .*/commits$", lambda: forge.repository.push("main", {"README.md": "theirs\n"}))
    ]
    new = git.commit(Change({FILE: "version: 2\n"}, "m"), "main", base)
    assert forge.repository.head("main") == new
    assert forge.repository.show("main", FILE) == "version: 2\n"
    assert forge.repository.show("main", "README.md") == "theirs\n"
    assert len(forge.repository.log(f"{base}..main")) == 2


def test_a_file_that_somebody_creates_in_between_stays(git, forge):
    base = git.head("main")
    forge.meanwhile = [
        ("POST .*/commits$", lambda: forge.repository.push("main", {FILE: "theirs\n"}))
    ]
    with pytest.raises(UserError, match=r"main is no longer at .*already exists"):
        git.commit(Change({FILE: "version: 2\n"}, "m"), "main", base)
    assert forge.repository.show("main", FILE) == "theirs\n"


def test_a_role_that_may_not_push_is_no_protected_branch(git, forge):
    base = git.head("main")
    said = '{"message": "403 Forbidden - You are not allowed to push into this branch"}'
    forge.meanwhile = [("POST .*/commits$", lambda: forge.answers.append((403, {}, said)))]
    with pytest.raises(UserError, match=r"the token may not do this .*the role Developer"):
        git.commit(Change({FILE: "version: 2\n"}, "m"), "main", base)
    assert forge.repository.head("main") == base


def test_a_hook_that_rejects_a_push_is_named(git, forge):
    base = git.head("main")
    said = '{"message": "GitLab: Commit must be signed with a GPG key (pre-receive hook)"}'
    forge.meanwhile = [("POST .*/commits$", lambda: forge.answers.append((400, {}, said)))]
    with pytest.raises(UserError, match=r"main is protected .*must be signed"):
        git.commit(Change({FILE: "version: 2\n"}, "m"), "main", base)


def test_an_expired_token_says_so(connect):
    with pytest.raises(UserError, match=r"Token is expired.*set GIT_TOKEN to a new one") as caught:
        connect("gitlab", "token-of-last-year").head("main")
    assert TOKEN not in str(caught.value)
