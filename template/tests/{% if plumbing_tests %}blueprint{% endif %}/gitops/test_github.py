"""GitHub: where its API is, its words for a protected branch, and answers that both APIs give."""

import shutil
import socket
import subprocess
import threading

import pytest
from gitops.server import Forge
from gitops.shared import TOKEN

from blueprint.deploy.git import rest
from blueprint.deploy.git.hosts import Change, host
from blueprint.deploy.git.settings import Gitops
from blueprint.errors import UserError

HTML = "<html>Please log in</html>"


@pytest.fixture
def git(connect):
    return connect("github")


def fails(git, match):
    """The error that reading and writing have in common."""
    with pytest.raises(UserError, match=match) as caught:
        git.head("main")
    assert TOKEN not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("provider", "repository", "api"),
    [
        ("github", "https://github.com/team/project.git", "https://api.github.com"),
        ("github", "ssh://git@github.com/team/project", "https://api.github.com"),
        ("github", "https://acme.ghe.com/team/project.git", "https://api.acme.ghe.com"),
        ("github", "https://git.acme.com/team/project", "https://git.acme.com/api/v3"),
        ("github", "ssh://git@git.acme.com:2222/team/project.git", "https://git.acme.com/api/v3"),
        ("gitlab", "https://gitlab.com/a/b/project.git", "https://gitlab.com/api/v4"),
        ("gitlab", "http://git.acme.com:8080/a/b", "http://git.acme.com:8080/api/v4"),
        ("gitlab", "ssh://git@git.acme.com:2222/a/b.git", "https://git.acme.com/api/v4"),
    ],
)
def test_where_the_api_is(provider, repository, api):
    made = host(Gitops(provider=provider, repository=repository), TOKEN)
    assert made.api.url == api
    own = "https://elsewhere.acme.com/api/"
    made = host(Gitops(provider=provider, repository=repository, api=own), TOKEN)
    assert made.api.url == own.rstrip("/")


def test_a_group_is_part_of_the_name():
    settings = Gitops(provider="gitlab", repository="https://gitlab.com/a/b/project.git")
    assert host(settings, TOKEN).root == "/projects/a%2Fb%2Fproject"


def test_what_names_no_repository_is_rejected():
    with pytest.raises(UserError, match="expected https://HOST/OWNER/PROJECT"):
        host(Gitops(provider="github", repository="https://github.com/project"), TOKEN)
    settings = Gitops(provider="github", repository="https://github.com/team/project")
    with pytest.raises(UserError, match="GIT_TOKEN is no token") as caught:
        host(settings, f"{TOKEN}\nX-Header: 1")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        "Changes must be made through a pull request.",
        "Repository rule violations found\n\nCannot update this protected ref.",
        'Required status check "test" is expected.',
        "Reference update failed",
        "Protected branch update failed for refs/heads/main.",
    ],
)
def test_words_for_a_protected_branch(git, forge, words):
    forge.words = words
    forge.repository.protect("main")
    base = git.head("main")
    with pytest.raises(UserError, match=r"^main is protected .*gitops.review: true"):
        git.commit(Change({"a": "b"}, "m"), "main", base)
    assert forge.repository.head("main") == base


def test_an_empty_repository_has_no_branch(git, forge):
    forge.repository.git("update-ref", "-d", "refs/heads/main")
    assert git.head("main") is None


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (429, {"Retry-After": "17"}, "wants fewer requests .*: again in 17 seconds"),
        (403, {"Retry-After": "60"}, "wants fewer requests .*: again in 60 seconds"),
        (403, {"X-RateLimit-Remaining": "0"}, "wants fewer requests .*: again later"),
        (403, {"X-RateLimit-Remaining": "9"}, "the token may not do this"),
    ],
)
def test_a_limit_of_requests_is_no_lack_of_rights(git, forge, status, headers, said):
    forge.answers = [(status, headers, '{"message": "API rate limit exceeded"}')]
    fails(git, said)


def test_reading_is_tried_again_and_writing_is_not(git, forge):
    base = git.head("main")
    forge.answers = [(502, {}, HTML), (503, {}, "")]
    assert git.head("main") == base
    forge.answers = [(502, {}, HTML)] * 3
    assert "has a problem of its own (502: Bad Gateway)" in fails(git, "try again later")
    forge.calls.clear()
    forge.meanwhile = [("POST .*/git/trees", lambda: forge.answers.append((502, {}, HTML)))]
    with pytest.raises(UserError, match="try again later"):
        git.commit(Change({"a": "b"}, "m"), "main", base)
    assert len([call for call in forge.calls if call.startswith("POST")]) == 1
    assert forge.repository.head("main") == base


def test_a_page_instead_of_json(git, forge):
    forge.answers = [(200, {"Content-Type": "text/html"}, HTML)]
    fails(git, r"something else than JSON: is http\S+/github its API \(gitops.api\)")


def test_a_redirect_gets_no_token(git, forge, tmp_path):
    with Forge(tmp_path / "other") as other:
        to = f"{other.url}/github/repos/team/project/git/ref/heads/main"
        forge.answers = [(302, {"Location": to}, "")]
        fails(git, "redirects: correct gitops.repository or gitops.api")
        assert other.calls == []


def test_a_certificate_that_nobody_trusts(connect, forge, tmp_path, monkeypatch):
    if not shutil.which("openssl"):
        pytest.skip("no openssl: apt-get install openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    forge.encrypt(certificate, key)
    fails(connect("github"), "^TLS with 127.0.0.1.*certificate.*: set SSL_CERT_FILE")
    fails(connect("http"), "^TLS with 127.0.0.1.*: set GIT_SSL_CAINFO")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("GIT_SSL_CAINFO", str(certificate))
    main = forge.repository.head("main")
    assert connect("github").head("main") == connect("http").head("main") == main


def test_a_host_that_accepts_and_says_nothing(connect, forge, monkeypatch):
    monkeypatch.setattr(rest, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        forge.url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        fails(connect("github"), r"does not answer \(timed out\)")


def test_an_answer_that_breaks_off(connect, forge):
    def break_off(server):
        for _ in range(rest.TRIES):
            client, _ = server.accept()
            client.recv(4096)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
            client.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=break_off, args=[server], daemon=True).start()
        forge.url = f"http://127.0.0.1:{server.getsockname()[1]}"
        fails(connect("github"), "does not answer")


def test_a_token_is_hidden_where_the_host_repeats_it(git, forge):
    forge.answers = [(401, {}, f'{{"message": "Bad credentials: {TOKEN}"}}')]
    assert "Bad credentials: …" in fails(git, "does not accept the token")
