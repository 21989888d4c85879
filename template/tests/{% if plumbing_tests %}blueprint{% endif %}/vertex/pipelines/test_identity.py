"""The login of a step to an MLflow server behind Google's IAM: a metadata server on loopback."""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest

from blueprint.registry import identity
from blueprint.registry.connection import open_client

SERVER = "https://mlflow-abc-ew.a.run.app"


@pytest.fixture
def metadata(monkeypatch):
    """A machine of Google Cloud: the audiences for which it was asked for a token."""
    audiences = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            url = urlsplit(self.path)
            right = url.path.endswith("/default/identity") and self.headers["Metadata-Flavor"]
            audiences.append(parse_qs(url.query)["audience"][0])
            self.send_response(200 if right == "Google" else 403)
            self.end_headers()
            self.wfile.write(f"token-{len(audiences)}".encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(identity.METADATA, f"127.0.0.1:{server.server_port}")
    yield audiences
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def no_login(monkeypatch):
    for name in (identity.TOKEN, identity.USER, identity.AUDIENCE):
        monkeypatch.setenv(name, "")  # so that what is put there goes with the test
        monkeypatch.delenv(name)
    monkeypatch.setattr(identity, "given", [])


def sent():
    """What MLflow sends."""
    return os.environ.get(identity.TOKEN)


def test_a_step_shows_its_identity_to_cloud_run(metadata):
    open_client(f"{SERVER}/some/path", patient=False)
    assert metadata == [SERVER]
    assert sent() == "token-1"
    open_client(SERVER, patient=False)  # an hour later it needs another
    assert sent() == "token-2"


def test_behind_the_proxy_the_audience_is_configured(metadata, monkeypatch):
    monkeypatch.setenv(identity.AUDIENCE, "42.apps.googleusercontent.com")
    identity.log_in("https://mlflow.example.com")
    assert metadata == ["42.apps.googleusercontent.com"]


@pytest.mark.parametrize("uri", ["https://mlflow.example.com", "http://mlflow.run.app"])
def test_no_other_server_is_shown_it(uri, metadata):
    identity.log_in(uri)
    assert not metadata
    assert sent() is None


def test_a_login_that_is_given_is_kept(metadata, monkeypatch):
    monkeypatch.setenv(identity.TOKEN, "mine")
    identity.log_in(SERVER)
    assert sent() == "mine"


def test_elsewhere_nothing_is_sent(monkeypatch):
    monkeypatch.setenv(identity.METADATA, "127.0.0.1:9")
    identity.log_in(SERVER)
    assert sent() is None
