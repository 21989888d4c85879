"""What a notebook starts with, and the notebook itself from its first cell to its last."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from blueprint import notebook, pipelines, settings
from blueprint.errors import UserError
from blueprint.export.train import train_and_export
from blueprint.model import Model
from blueprint.registry.client import Registry

PROJECT = Path(__file__).parents[2]
EXPLORE = PROJECT / "notebooks" / "explore.py"


@pytest.fixture(scope="module")
def champion(sample, make_champion, tmp_path_factory):
    """A project folder with a test set and a champion, as a run leaves it; the model's folder."""
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copytree(PROJECT / "config", folder / "config")
    shutil.copytree(sample["test"].directory, folder / ".mlops/runs/1/load-data/test_data")
    model = folder / "model"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLOPS_ENV", "test")
        # MLflow keeps connections by address: a relative one would reach another test's file.
        uri = f"sqlite:///{folder}/.mlops/mlflow.db"
        patch.setenv("MLOPS_REGISTRY__TRACKING_URI", uri)
        loaded = settings.load()
        train, validation = (sample[name].directory for name in ("train", "validation"))
        train_model = pipelines.module("train").train_model
        train_and_export(train_model, train, validation, loaded.train, model)
        registry = Registry(**loaded.registry.model_dump())
        tags = {"model.sha256": Model(model).signature.sha256}
        nothing = {key: {} for key in ("params", "metrics", "curves")}
        run = registry.log_run("a run", **nothing, tags=tags, artifacts={"model": model})
        make_champion(registry, run)
        yield model


def test_the_test_set_and_the_champion(champion, sample):
    data = notebook.test_data()
    model = notebook.champion()

    features, labels = data.arrays()
    assert len(labels) == sample["test"].schema.rows
    assert (model.predict(features) == Model(champion).predict(features)).all()


@pytest.mark.skipif(not EXPLORE.exists(), reason="notebooks/explore.py is gone")
@pytest.mark.skipif(
    not find_spec("marimo"), reason="marimo is not installed: uv sync --group notebook"
)
def test_the_notebook_runs(champion):
    command = [sys.executable, "-m", "marimo", "export", "html", str(EXPLORE), "-o", "page.html"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_before_the_first_run_it_says_what_to_do(folder, monkeypatch):
    monkeypatch.setenv("MLOPS_REGISTRY__TRACKING_URI", f"sqlite:///{folder}/.mlops/mlflow.db")
    with pytest.raises(UserError, match=r"load-data/test_data .*: run `make run` first"):
        notebook.test_data()
    with pytest.raises(UserError, match="is registered yet: run `make run` first"):
        notebook.champion()
