"""A real server process, and a store to deploy models to."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from serving.tiny_models import write_picture_model

import blueprint.serving.http  # noqa: F401  where it is not, none of these tests is collected
from blueprint.registry import store as model_store

UNLOGGED = {"MLOPS_PREDICTION_LOG__SHARE": "0"}  # tests keep out of the project's own log
START = """
import json
import sys
from blueprint.serving.server import run
from blueprint.serving.settings import Serving

if __name__ == "__main__":
    run(Serving(**json.loads(sys.argv[1])), "digits")
"""


class Store:
    """A model store, and its pointer to the model `digits`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pointer = path / "digits" / "current.json"

    def deploy(self, version: str, **model: object) -> Path:
        """Put a tiny model in service, and return its folder."""
        with tempfile.TemporaryDirectory() as made:
            written = write_picture_model(Path(made) / "model", **model)
            return model_store.deploy(written, version, self.path, "digits").folder

    def point(self, text: str) -> None:
        new = self.path / "new.json"
        new.write_text(text)
        new.replace(self.pointer)


class Server:
    """A running server: `url`, an HTTP client for it, its process and its log."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.http = httpx.Client(base_url=url, timeout=20)
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def predict(self, content: bytes, **headers: str) -> httpx.Response:
        return self.http.post("/v1/models/digits:predict", content=content, headers=headers)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"waited 60 s for {what}"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(store: Path, **options: object) -> Iterator[Server]:
    """A server that is ready; at the end it is told to stop, and must do so without an error.

    `options` are those of the section `serving`.
    """
    port = free_port()
    given = json.dumps(
        {
            "store": str(store),
            "port": port,
            "max_body_mb": 100_000 / 2**20,
            "poll_seconds": 0.05,
            **options,
        }
    )
    script = store / "serve.py"
    script.write_text(START)
    with started([sys.executable, str(script), given], port, store / "server.log") as server:
        yield server


@contextmanager
def started(
    command: Sequence[str], port: int, log: Path, ready: str = "/readyz", **environment: str
) -> Iterator[Server]:
    """The same for any command; it is ready once a GET of `ready` gets 200."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stderr=output,
            start_new_session=True,
            env={**os.environ, **UNLOGGED, **environment},
        )
    server = Server(f"http://127.0.0.1:{port}", process, log)

    def answers() -> bool:
        assert process.poll() is None, server.log
        try:
            return server.http.get(ready).status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_for(answers, "the server")
        yield server
        process.terminate()
        assert process.wait(20) == 0, server.log
    finally:
        server.http.close()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that only ask it something: version 1, sure of class 3."""
    store = Store(tmp_path_factory.mktemp("store"))
    store.deploy("1", answer=3)
    with running(store.path) as server:
        yield server


@pytest.fixture(name="running", scope="session")
def running_fixture() -> Callable[..., object]:
    return running


@pytest.fixture(name="started")
def started_fixture() -> Callable[..., object]:
    return started


@pytest.fixture(name="free_port")
def free_port_fixture() -> int:
    return free_port()


@pytest.fixture(name="wait_for")
def wait_for_fixture() -> Callable[..., None]:
    return wait_for


@pytest.fixture
def serve_logged(store: Store, tmp_path: Path) -> Callable[..., object]:
    """Start a server that logs its predictions to the folder `log` of the test's own.

    `words` are what its command line gives of prediction_log; `prepare` is run first in its
    process; `serving` are options of that section.
    """
    store.deploy("1", answer=3)

    @contextmanager
    def start(
        *words: str, prepare: str = "", serving: dict[str, object] | None = None, **environment: str
    ) -> Iterator[Server]:
        port = free_port()
        script = store.path / "serve.py"
        script.write_text(f"{prepare}\n{START}")
        options = json.dumps({"store": str(store.path), "port": port, **(serving or {})})
        given = ["share=1", f"path={tmp_path / 'log'}", "flush_seconds=0.2", *words]
        command = [sys.executable, str(script), options, *(f"prediction_log.{w}" for w in given)]
        with started(command, port, store.path / "server.log", **environment) as server:
            yield server

    return start
