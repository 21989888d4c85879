"""`make debug RUN=… STEP=…`: a step of a run, here, with the run's own parameters and artifacts."""

import json
import shutil
from pathlib import Path

import pytest

from blueprint.data import Dataset
from blueprint.errors import UserError
from blueprint.model import Model
from blueprint.targets.kubeflow import debugging, submission

SALT = "6e1f"  # Kubeflow puts each attempt of a step into a folder of its own


@pytest.fixture
def past(fake, folder, load_cluster):
    """The settings of a cluster, and the id of a run there whose artifacts are in a folder."""
    settings = load_cluster(
        fake.endpoint,
        f"registry.tracking_uri=sqlite:///{folder}/mlflow.db",
        "pipeline.image=mine:1",
    )
    remote = settings.registry.model_copy(update={"tracking_uri": "http://mlflow.team:5000"})
    run_id = submission.submit(settings.model_copy(update={"registry": remote}))
    run = fake.runs[run_id]
    run.runtime_config.pipeline_root = f"file://{folder}/objects"
    run.runtime_config.parameters["registry"] = settings.registry.model_dump(exclude_none=True)
    return settings, run_id


def store(run_id, settings, step, name, source):
    """Put what a step made where the cluster's steps put it."""
    root = Path("objects") / settings.registry.name / run_id / step / SALT / name
    root.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, root)


def test_a_step_gets_the_runs_artifacts_and_parameters(past, fake, folder, capsys):
    settings, run_id = past
    numbers = {key: value for key, value in settings.train.items() if type(value) in (int, float)}
    other = {key: value * 2.0 for key, value in list(numbers.items())[-1:]}  # the seed, at first
    fake.runs[run_id].runtime_config.parameters["train"] = {**settings.train, **other}
    made = debugging.run(settings, run_id, "load_data")
    rows = Dataset(made / "train_data").schema.rows
    for name in ("train_data", "validation_data"):
        store(run_id, settings, "load-data", name, made / name)
    shutil.rmtree(made)

    capsys.readouterr()
    made = debugging.run(settings, run_id, "train_model")

    printed = capsys.readouterr().out
    assert "[load_data]" not in printed
    assert f"what it made is in {made}" in printed
    assert Dataset(made.parent / "load-data" / "train_data").schema.rows == rows
    assert Model(made / "model").signature.task == settings.data.task
    record = json.loads((made / "model" / "training.json").read_text())
    assert other.items() <= record["parameters"].items()


def test_what_the_cache_answered_is_made_here(past, capsys):
    settings, run_id = past

    made = debugging.run(settings, run_id, "evaluate_model")

    printed = capsys.readouterr().out
    assert "load-data runs here first" in printed
    assert "train-model runs here first" in printed
    assert (made / "verdict").exists()
    assert (made / "report").read_text().startswith("<!doctype html>")


def test_a_step_that_changes_the_registry_is_not_replayed(fake, load_cluster):
    with pytest.raises(UserError, match="STEP=register_model: expected load_data, train_model"):
        debugging.run(load_cluster(fake.endpoint), "a-run", "register_model")


def test_a_run_that_is_not_there(fake, load_cluster):
    with pytest.raises(UserError, match="it rejects the request: a-run not found"):
        debugging.run(load_cluster(fake.endpoint), "a-run", "load_data")
