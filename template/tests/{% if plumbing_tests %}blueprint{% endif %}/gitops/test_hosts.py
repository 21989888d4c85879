"""What every host does: the same tests by GitHub's API, GitLab's, and git itself."""

import threading

import pytest
from gitops.shared import EXPIRED, READER, TOKEN

from blueprint.deploy.git.hosts import Change, Moved
from blueprint.errors import UserError

FILE = "deploy/released/staging/kustomization.yaml"
BRANCH = "promote/staging"
WRITES = {"github": "PATCH ", "gitlab": "POST .*/commits$", "http": "POST .*receive-pack$"}


@pytest.fixture(params=["github", "gitlab", "http", "file"])
def way(request):
    return request.param


@pytest.fixture
def git(connect, way):
    return connect(way)


@pytest.fixture
def repository(forge):
    """The real one behind the host, with the file in question."""
    forge.repository.push("main", {FILE: "version: 1\n", "images.yaml": "a: 1\n"})
    return forge.repository


def change(version, **more):
    return Change({FILE: f"version: {version}\n"} | more, f"Serve version {version}")


def test_a_commit_is_read_back_by_git(git, repository):
    base = git.head("main")
    assert base == repository.head("main")
    new = git.commit(change(2, **{"a new/ü file.txt": "ü\nno newline"}), "main", base)
    assert repository.head("main") == new == git.head("main")
    assert repository.log(f"{base}..main") == [new]
    assert repository.show("main", FILE) == "version: 2\n"
    assert repository.show("main", "a new/ü file.txt") == "ü\nno newline"
    assert repository.git("diff", "--name-only", "-z", base, new) == f"a new/ü file.txt\0{FILE}\0"
    assert repository.git("log", "-1", "--format=%B", new).strip() == "Serve version 2"
    assert git.read("a new/ü file.txt", new) == "ü\nno newline"


def test_files_are_read_as_they_were(git, repository):
    first = repository.head("main")
    second = repository.push("main", {FILE: "version: 2\n"})
    other = repository.push("main", {"README.md": "else\n"})
    assert [git.read(FILE, at) for at in (first, second)] == ["version: 1\n", "version: 2\n"]
    assert git.read("deploy/nothing.yaml", second) is None
    assert git.read(FILE, "1" * 40) is None
    assert git.head("nothing") is None
    assert [*git.history(FILE, "main", 5)] == [second, first]
    assert [*git.history(FILE, "main", 1)] == [second]
    assert [*git.history("README.md", "main", 1)] == [other]
    assert [*git.history(FILE, "nothing", 1)] == []


def test_a_branch_is_created_and_then_replaced(git, repository):
    base = git.head("main")
    first = git.commit(change(2), BRANCH, base)
    assert repository.log(f"main..{BRANCH}") == [first]
    base = repository.push("main", {"README.md": "meanwhile\n"})
    second = git.commit(change(3), BRANCH, base, replace=True)
    assert repository.log(f"main..{BRANCH}") == [second]
    assert repository.show(BRANCH, FILE) == "version: 3\n"
    assert repository.show(BRANCH, "README.md") == "meanwhile\n"
    third = git.commit(change(4), "promote/production", base, replace=True)
    assert repository.log("main..promote/production") == [third]
    assert repository.head("main") == base


@pytest.mark.parametrize("path", [FILE, "README.md"])
def test_a_branch_that_has_moved_is_left_alone(git, repository, path):
    base = git.head("main")
    theirs = repository.push("main", {path: "version: 7\n"})
    with pytest.raises(Moved, match=f"main is no longer at {base[:12]} .*try again"):
        git.commit(change(2), "main", base)
    git.commit(change(2), BRANCH, theirs)
    with pytest.raises(Moved, match=BRANCH):
        git.commit(change(3), BRANCH, theirs)
    assert repository.head("main") == theirs
    assert repository.show(BRANCH, FILE) == "version: 2\n"


@pytest.mark.parametrize(
    ("way", "write"), [*WRITES.items(), ("http", "GET .*service=git-receive-pack")]
)
def test_whoever_comes_between_look_and_write_stays(git, write, repository, forge):
    base = git.head("main")
    pushed = []
    forge.meanwhile = [
        (write, lambda: pushed.append(repository.push("main", {FILE: "version: 7\n"})))
    ]
    with pytest.raises(Moved, match=r"main is no longer at"):
        git.commit(change(2), "main", base)
    assert repository.head("main") == pushed[0]


@pytest.mark.parametrize("way", WRITES)
def test_a_branch_that_somebody_creates_meanwhile(git, way, repository, forge):
    base, pattern = git.head("main"), WRITES[way].replace("PATCH ", "POST .*/refs$")

    def create():
        repository.point(BRANCH, base, None)

    forge.meanwhile = [(pattern, create)]
    with pytest.raises(Moved):
        git.commit(change(2), BRANCH, base)
    assert repository.head(BRANCH) == base
    repository.git("update-ref", "-d", f"refs/heads/{BRANCH}")
    forge.meanwhile = [(pattern, create)]
    new = git.commit(change(2), BRANCH, base, replace=True)
    assert repository.head(BRANCH) == new


def test_of_two_writers_at_once_one_wins(connect, way, repository):
    base, barrier = repository.head("main"), threading.Barrier(2)
    results = []

    def write(version):
        git = connect(way)
        barrier.wait()
        try:
            results.append(git.commit(change(version), "main", base))
        except Moved:
            results.append(None)

    threads = [threading.Thread(target=write, args=[version]) for version in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(None) == 1
    [won] = [each for each in results if each]
    assert repository.log(f"{base}..main") == [won]


def test_a_base_that_was_forced_elsewhere_stays_there(git, repository):
    base = git.head("main")
    parent = repository.log("main")[1]
    elsewhere = repository.commit(repository.tree(parent, {FILE: "0\n"}), [parent], "forced")
    for forced in (elsewhere, parent):
        repository.git("update-ref", "refs/heads/main", forced)
        with pytest.raises(Moved):
            git.commit(change(2), "main", base)
        assert repository.head("main") == forced
    with pytest.raises(Moved):
        git.commit(change(2), BRANCH, "1" * 40)
    assert repository.head(BRANCH) is None


def test_a_protected_branch_is_left_alone(git, repository):
    base = git.head("main")
    repository.protect("main")
    repository.protect("locked")
    with pytest.raises(UserError, match=r"^main is protected \(.*\): gitops.review: true"):
        git.commit(change(2), "main", base)
    with pytest.raises(UserError, match=r"^locked is protected \(.*\): let this token create"):
        git.commit(change(2), "locked", base, replace=True)
    assert (repository.head("main"), repository.head("locked")) == (base, None)
    git.commit(change(2), BRANCH, base, replace=True)
    assert repository.show(BRANCH, FILE) == "version: 2\n"


@pytest.mark.parametrize("way", WRITES)
@pytest.mark.parametrize(
    ("token", "said"),
    [
        (EXPIRED, "GIT_TOKEN"),
        (None, "GIT_TOKEN"),
        (READER, "read and write|the role Developer|one that may push"),
    ],
)
def test_a_token_that_may_not_changes_nothing(connect, way, token, said, repository, capfd):
    base = repository.head("main")
    with pytest.raises(UserError, match=said) as caught:
        connect(way, token).commit(change(2), "main", base)
    assert "\n" not in str(caught.value)
    if token:
        assert token not in str(caught.value)
        assert token not in "".join(capfd.readouterr())
    assert repository.head("main") == base
    assert repository.head(BRANCH) is None


def test_a_repository_that_is_not_there(connect, way, repository):
    git = connect(way, TOKEN, "team/a-certificate")  # a name is no reason
    with pytest.raises(UserError, match=r"correct gitops.repository") as caught:
        git.head("main")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("way", WRITES)
def test_a_host_that_is_not_there(connect, way, forge):
    git = connect(way)
    forge.server.shutdown()
    forge.server.server_close()
    with pytest.raises(UserError, match=r"127.0.0.1\S* does not answer \(.*: is it up"):
        git.head("main")
