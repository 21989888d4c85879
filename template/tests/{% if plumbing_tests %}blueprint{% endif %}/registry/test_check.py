"""A registry that cannot be used is said before anything slow, with the remedy."""

import os
import shutil
import socket
import sqlite3
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from blueprint.errors import UserError
from blueprint.registry.check import check


def refused(uri, name="digits"):
    with pytest.raises(UserError) as caught:
        check(tracking_uri=uri, name=name)
    [line] = str(caught.value).splitlines()
    assert uri in line
    return line


@pytest.fixture
def answering():
    """Answer everything with a status and a body: answering(401, "who?") is the address."""
    servers = []

    def serve(status, body):
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

        servers.append(HTTPServer(("127.0.0.1", 0), Handler))
        Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield serve
    for each in servers:
        each.shutdown()
        each.server_close()


@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        (401, "You are not authenticated", "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASS"),
        (403, '{"error_code": "PERMISSION_DENIED", "message": "no"}', "ask who runs the server"),
        (404, "<html>nginx</html>", "correct registry.tracking_uri"),
        (200, "<html>Log in</html>", "a page to log in stands before it"),
        (200, '{"hello": 1}', "no MLflow answers"),
    ],
)
def test_a_server_that_refuses(answering, status, body, remedy):
    assert remedy in refused(answering(status, body))


def test_a_server_that_is_not_there_or_is_silent(monkeypatch):
    for name, value in {"TIMEOUT": "1", "MAX_RETRIES": "0"}.items():
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", value)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nowhere = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "does not answer: is it up" in refused(nowhere)
    assert "does not answer: is it up" in refused(nowhere)
    assert "does not answer: is it up" in refused("http://mlflow.invalid")
    assert "does not answer: is it up" in refused("postgresql+psycopg://127.0.0.1:9/mlflow")


@pytest.mark.parametrize(
    ("uri", "remedy"),
    [
        ("htp://mlflow:5000", "expected http(s)://…"),
        ("http://[mlflow", "expected http(s)://…"),
        ("mlruns", "use sqlite:///"),
        ("postgresql+psycopg://me:p@ss@db/mlflow", "is written %40"),
    ],
)
def test_an_address_that_is_none(folder, uri, remedy):
    with pytest.raises(UserError) as caught:
        check(tracking_uri=uri, name="digits")
    assert remedy in str(caught.value)
    assert "ss@db" not in str(caught.value)


@pytest.fixture
def database(registry, tmp_path):
    """A database of MLflow's, to break."""
    path = tmp_path / "mlflow.db"
    shutil.copy(registry.uri.removeprefix("sqlite:///"), path)
    return path


def test_a_database_that_cannot_be_used(database):
    uri = f"sqlite:///{database}"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert "stop what else writes to it" in refused(f"{uri}?timeout=0.1")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'f00d'")
    assert "mlflow db upgrade" in refused(uri)
    if os.geteuid():  # root may write all the same
        database.chmod(0o400)
        assert "owner and permissions" in refused(uri)
        database.chmod(0o600)
    database.write_text("rows, of something else\n" * 100)
    assert "restore it from a copy" in refused(uri)
    database.unlink()
    database.mkdir()
    assert "owner and permissions" in refused(uri)


def test_what_was_deleted_in_mlflow(registry, evaluate):
    where = {"tracking_uri": registry.uri, "name": registry.name}
    assert check(**where).endswith("no champion yet")
    evaluate(1.0).register(registry)
    assert check(**where).endswith("version 1 is the champion")
    run = registry.client.get_run(registry.champion().run_id)
    stored = Path(run.info.artifact_uri.removeprefix("file://")) / "model"
    shutil.move(stored, stored.with_name("elsewhere"))
    assert "version 1 of" in (line := refused_by_name(**where))
    assert "make promote VERSION=" in line
    shutil.move(stored.with_name("elsewhere"), stored)
    registry.client.delete_experiment(run.info.experiment_id)
    assert "mlflow experiments restore --experiment-id" in refused_by_name(**where)
    registry.client.restore_experiment(run.info.experiment_id)
    check(**where)


def refused_by_name(**where):
    with pytest.raises(UserError) as caught:
        check(**where)
    return str(caught.value)
