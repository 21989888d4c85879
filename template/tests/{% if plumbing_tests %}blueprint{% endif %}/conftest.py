"""What several tests share: a project folder of their own, and a small real data set."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from blueprint import settings
from blueprint.data import Dataset, write_splits
from blueprint.data.sources import scan

sys.path.insert(0, str(Path(__file__).parent))  # what tests share: serving/tiny_models.py
from collection import not_for_this_project
from outside import python_with

collect_ignore = not_for_this_project()
PROJECT = Path(__file__).parents[2]
FRACTIONS = {"validation": 0.15, "test": 0.2}
MOTO = ["moto[s3]~=5.2.5", "flask", "flask-cors"]
SECRET = "hush: 50% @ /?"


@pytest.fixture(autouse=True)
def no_user_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep settings of the person who runs the tests out of them."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "KERAS_HOME", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith(("MLOPS_", "AWS_"))]:
        if not name.endswith("CA_BUNDLE"):
            monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder, with a space in its path and the project's configuration."""
    path = tmp_path / "a project"
    shutil.copytree(PROJECT / "config", path / "config")
    write_configuration(path / "config")
    monkeypatch.chdir(path)
    return path


def write_configuration(folder: Path) -> None:
    """What the plumbing is tested with: the sample, small, whatever data its owner declares."""
    base = yaml.safe_load((folder / "base.yaml").read_text())
    test = yaml.safe_load((folder / "test.yaml").read_text())
    base["data"] |= {"label": "label", "split": FRACTIONS, "columns": {}}
    regression = base["data"]["task"] == "tabular-regression"
    test |= {
        "data": {"source": "sample"},
        "train": {"epochs": 2},
        # Two epochs may not be enough to be better than a constant answer.
        "gate": {"floors": {"r2": -10.0} if regression else {"accuracy": 0.2}, "baseline": False},
    }
    (folder / "base.yaml").write_text(yaml.safe_dump(base))
    (folder / "test.yaml").write_text(yaml.safe_dump(test))


@pytest.fixture
def load(folder: Path) -> Callable[..., settings.Settings]:
    """Load the tests' configuration: load("train.epochs=1")."""
    # MLflow keeps connections by address: a relative one would reach another test's file.
    registry = f"registry.tracking_uri=sqlite:///{folder}/.mlops/mlflow.db"
    return lambda *overrides: settings.load("test", [registry, *overrides])


@pytest.fixture(scope="session")
def make_champion() -> Callable[[Any, str], None]:
    """Make a run's model the champion, as an accepted one becomes it."""

    def make(registry: Any, run_id: str) -> None:
        version = registry.register(run_id, {})
        registry.promote(version.number, over=registry.champion(), tags={})

    return make


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    """The pictures of the sample source, split into train, validation and test."""
    return split_sample(tmp_path_factory.mktemp("digits"), "image-classification")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    """The sample source for this project's task, split into train, validation and test."""
    return split_sample(tmp_path_factory.mktemp("sample"), settings.load("test").data.task)


def split_sample(root: Path, task: str) -> dict[str, Dataset]:
    directories = {name: root / name for name in ("train", "validation", "test")}
    rows = scan("sample", task=task)
    return write_splits(rows, directories, FRACTIONS, label="label", source="sample", task=task)


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of moto's S3 server, in an environment of its own: it is large."""
    command = python_with(MOTO, "moto.server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [*command, "-m", "moto.server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(200):
        time.sleep(0.1)
        with socket.socket() as client:
            if not client.connect_ex(("127.0.0.1", port)):
                break
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait()


@pytest.fixture
def bucket(moto: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket, reached as in real life: by the environment variables of AWS."""
    variables = {"ACCESS_KEY_ID": "me", "SECRET_ACCESS_KEY": SECRET, "REGION": "us-east-1"}
    for name, value in (variables | {"ENDPOINT_URL": moto}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    urllib.request.urlopen(urllib.request.Request(f"{moto}/bucket", method="PUT")).close()
    return "s3://bucket"
