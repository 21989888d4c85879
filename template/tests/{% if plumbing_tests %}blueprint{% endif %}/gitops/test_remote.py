"""git itself: how it logs in, who commits, and what it is kept from."""

import shutil
import socket
import subprocess
import time

import pytest
from gitops.server import Forge
from gitops.shared import EXPIRED, TOKEN

from blueprint.deploy.git import remote
from blueprint.deploy.git.hosts import Change, Review
from blueprint.errors import UserError

CHANGE = Change({"a file.yaml": "version: 2\n"}, "Serve version 2")


@pytest.fixture
def git(connect):
    return connect("http")


def test_there_are_no_reviews_and_nothing_is_changed(git, forge):
    review = Review("1", "", "promote/staging", "open")
    for call in (
        lambda: git.review("promote/staging", "main"),
        lambda: git.open("promote/staging", "main", "title", "text"),
        lambda: git.comment(review, "text"),
        lambda: git.of_commit("1" * 40),
    ):
        with pytest.raises(UserError, match=r"set gitops.review: false, which commits to main"):
            call()
    assert forge.calls == []


def test_the_token_is_on_no_command_line(git, forge, monkeypatch, capfd):
    commands, popen = [], subprocess.Popen

    def record(command, *arguments, **options):
        commands.append([str(part) for part in command])
        return popen(command, *arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", record)
    new = git.commit(CHANGE, "main", git.head("main"))
    monkeypatch.undo()
    assert forge.repository.head("main") == new
    assert not [each for each in commands if TOKEN in " ".join(each)]
    assert TOKEN not in "".join(capfd.readouterr())
    assert any(forge.logins)


def test_another_host_gets_no_token(git, forge, tmp_path):
    with Forge(tmp_path / "other") as other:
        to = f"{other.url}/team/project.git/info/refs?service=git-upload-pack"
        forge.answers = [(302, {"Location": to}, "")]
        with pytest.raises(UserError, match="does not let git in"):
            git.head("main")
        assert other.calls
        assert not any(other.logins)


def test_with_a_token_no_other_login_is_asked_for(connect, only_this_git, tmp_path, monkeypatch):
    asked, program = tmp_path / "asked", tmp_path / "askpass"
    program.write_text(f"#!/bin/sh\ntouch {asked}\n")
    program.chmod(0o755)
    monkeypatch.setenv("GIT_ASKPASS", str(program))
    only_this_git.write_text(f'[credential]\n\thelper = "!touch {asked};"\n')
    assert connect("http").head("main")
    with pytest.raises(UserError, match=r"does not let git in .*GIT_TOKEN"):
        connect("http", EXPIRED).head("main")
    assert not asked.exists()
    with pytest.raises(UserError, match="does not let git in"):
        connect("http", None).head("main")
    assert asked.exists()


def test_a_person_commits_as_themselves_and_a_pod_as_the_blueprint(git, forge, only_this_git):
    git.commit(CHANGE, "main", git.head("main"))
    who = ("log", "-1", "--format=%an %ae %cn %ce", "main")
    nobody = "blueprint blueprint@localhost"
    assert forge.repository.git(*who).strip() == f"{nobody} {nobody}"
    only_this_git.write_text("[user]\n\tname = Ada\n\temail = ada@b.c\n")
    git.commit(Change({"a file.yaml": "3\n"}, "m"), "main", git.head("main"))
    assert forge.repository.git(*who).strip() == "Ada ada@b.c Ada ada@b.c"


def test_a_commit_is_signed_where_git_is_told_to(git, forge, only_this_git, tmp_path):
    if not shutil.which("ssh-keygen"):
        pytest.skip("no ssh-keygen: apt-get install openssh-client")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    only_this_git.write_text(
        f"[user]\n\temail = a@b.c\n\tsigningKey = {key}\n[gpg]\n\tformat = ssh\n"
        "[commit]\n\tgpgSign = true\n[push]\n\tgpgSign = true\n"
    )
    new = git.commit(CHANGE, "main", git.head("main"))
    assert "gpgsig -----BEGIN SSH SIGNATURE" in forge.repository.git("cat-file", "commit", new)


def test_hooks_and_variables_of_another_repository_do_nothing(
    connect, forge, only_this_git, tmp_path, monkeypatch
):
    git = connect("file")
    hook = tmp_path / "hooks" / "pre-push"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    only_this_git.write_text(f"[core]\n\thooksPath = {hook.parent}\n")
    variables = {"GIT_DIR": "nothing", "GIT_INDEX_FILE": "index", "GIT_OBJECT_DIRECTORY": "objects"}
    for name, value in variables.items():  # as they are in a hook
        monkeypatch.setenv(name, str(tmp_path / value))
    new = git.commit(CHANGE, "main", git.head("main"))
    for name in variables:
        monkeypatch.delenv(name)
    assert forge.repository.head("main") == new
    assert not [name for name in variables.values() if (tmp_path / name).exists()]


def test_the_configuration_of_the_project_is_not_used(git, forge, tmp_path, monkeypatch):
    project = tmp_path / "project"
    subprocess.run(["git", "init", "--quiet", project], check=True)
    with (project / ".git" / "config").open("a") as file:
        file.write(f'[url "http://nowhere.invalid/"]\n\tinsteadOf = {forge.url}/\n')
    monkeypatch.chdir(project)
    assert git.head("main") == forge.repository.head("main")


def test_a_host_that_gives_no_single_commit(git, forge, monkeypatch):
    old = forge.repository.head("main")
    forge.repository.push("main", {"README.md": "newer\n"})
    for key, value in (("COUNT", "1"), ("KEY_0", "protocol.version"), ("VALUE_0", "0")):
        monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
    assert git.read("README.md", old) == "a project\n"
    assert git.commit(CHANGE, "promote/staging", old, replace=True)


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    """A program in place of ssh: write what it does with HOST COMMAND."""

    def write(text):
        path = tmp_path / "ssh"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        monkeypatch.setenv("GIT_SSH_COMMAND", str(path))

    return write


def test_by_ssh(connect, forge, ssh):
    ssh('for last in "$@"; do :; done; exec sh -c "$last"')
    git = connect("ssh", None)
    new = git.commit(CHANGE, "main", git.head("main"))
    assert forge.repository.head("main") == new


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("git@localhost: Permission denied (publickey).", "does not let git in .*ssh-add"),
        ("Host key verification failed.", "ssh-keyscan"),
        ("ssh: connect to host localhost port 22: Connection refused", "does not answer"),
        ("ERROR: Repository not found.", "correct gitops.repository"),
    ],
)
def test_errors_of_ssh(connect, forge, ssh, words, said):
    ssh(f"echo '{words}' >&2; exit 255")
    with pytest.raises(UserError, match=f"localhost.*{said}"):
        connect("ssh", None).head("main")


def test_a_host_that_accepts_and_says_nothing(connect, forge, monkeypatch):
    monkeypatch.setattr(remote, "SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        forge.url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begin = time.monotonic()
        with pytest.raises(UserError, match=r"does not answer in 0.5 s"):
            connect("http").head("main")
        assert time.monotonic() - begin < 20


def test_a_machine_without_git(git, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="needs the program git: install it"):
        git.head("main")


def test_nothing_stays_in_the_temporary_folder(git, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    git.commit(CHANGE, "main", git.head("main"))
    assert not [*(tmp_path / "temporary").iterdir()]
