"""Batch scoring as people start it: `make batch` on a laptop, and the pipeline by kfp.local."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from kfp import local

from blueprint.batch import target as batch
from blueprint.batch.progress import Ticker
from blueprint.batch.settings import named
from blueprint.errors import UserError
from blueprint.model import Model
from blueprint.registry import store
from blueprint.registry.client import Registry
from blueprint.targets import graph
from blueprint.targets.processes import run_process, started_by


@pytest.fixture
def settings(load, rows, tmp_path, model_writer, make_champion):
    """A project with version 1 as champion and in service, version 2 registered, and rows."""
    loaded = load()
    registry = Registry(**loaded.registry.model_dump())
    for weight in (0.1, 0.2):
        directory = model_writer(tmp_path / str(weight), weight=weight)
        run_id = registry.log_run(
            "a run", params={}, metrics={}, curves={}, tags={}, artifacts={"model": directory}
        )
        if weight == 0.1:
            make_champion(registry, run_id)
            store.deploy(directory, "1", loaded.serving.store, loaded.registry.name)
        else:
            registry.register(run_id, {})
    rows.write_csv("new rows.csv")
    return loaded


def scored_with(output, tmp_path):
    """The weight of the model that a record names."""
    sha256 = json.loads(Path(f"{output}.json").read_text())["plan"]["sha256"]
    models = {w: Model(tmp_path / w).signature.sha256 for w in ("0.1", "0.2")}
    return next(weight for weight, known in models.items() if known == sha256)


def test_the_model_in_service_or_a_registered_version(settings, tmp_path, capsys):
    batch.run(settings, "new rows.csv", "scores.csv")
    assert scored_with("scores.csv", tmp_path) == "0.1"
    assert "2,500 rows scored with version 1" in capsys.readouterr().out

    batch.run(settings, "new rows.csv", "scores.csv", "2", force=True)
    assert scored_with("scores.csv", tmp_path) == "0.2"

    serving = settings.serving.model_copy(update={"store": None})
    batch.run(settings.model_copy(update={"serving": serving}), "new rows.csv", "champion.csv")
    assert scored_with("champion.csv", tmp_path) == "0.1"

    with pytest.raises(UserError, match="has no version 7: `make models` lists"):
        batch.run(settings, "new rows.csv", "other.csv", "7")


def test_without_a_model_it_says_what_to_do(load):
    with pytest.raises(UserError, match="no model is in service: `make run` makes one"):
        batch.run(load(), "new.csv", "scores.csv")


def test_a_damaged_model_is_one_line(settings):
    deployed = store.current(settings.serving.store, settings.registry.name)
    (deployed.folder / "model.onnx").write_bytes(b"truncated")

    with pytest.raises(UserError, match=r"is damaged .*: `make promote VERSION=1`"):
        batch.run(settings, "new rows.csv", "scores.csv")


def test_the_command_takes_paths_with_spaces_and_shows_a_bar(settings):
    terminal = {"TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1"}
    variables = {**os.environ, **terminal, "MLOPS_ENV": "test"}
    program = [sys.executable, "-m", "blueprint.cli"]
    command = [*program, "batch", "new rows.csv"]
    main, terminal = pty.openpty()
    process = subprocess.Popen([*command, "my scores.csv"], stdout=terminal, env=variables)
    os.close(terminal)
    shown = b""
    try:
        while part := os.read(main, 4096):
            shown += part
    except OSError:  # Linux says so when the other side is closed
        pass
    assert process.wait(60) == 0

    assert "2500/2500" in shown.decode()
    assert "\x1b[3" not in shown.decode(), "colors, though NO_COLOR is set"
    assert len(Path("my scores.csv").read_text().splitlines()) > 2_500

    again = subprocess.run(
        [*command, "my scores.csv", "batch.part_rows=7"],
        capture_output=True,
        text=True,
        env=variables,
    )
    assert again.returncode == 1
    assert again.stderr.startswith("error: my scores.csv is there already, with part_rows 100000")
    assert len(again.stderr.splitlines()) == 1


def test_a_log_gets_a_line_at_intervals():
    said = []
    Ticker(said.append, seconds=60)(500, 2_000)
    Ticker(said.append, seconds=0)(1_000, 2_000)

    assert said == ["1,000 of 2,000 rows (50%)"]


def test_the_pipeline_scores_with_the_champion_or_a_version(settings, tmp_path):
    pipeline = graph.configure(settings, "local/python:1", "batch-prediction").pipeline
    values = graph.parameters(settings, "batch-prediction")
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "runs"))
    paths = {"input_uri": "new rows.csv", "output_uri": "scores.parquet"}

    with started_by(run_process):
        pipeline(**values, **paths)
        assert scored_with("scores.parquet", tmp_path) == "0.1"
        pipeline(**values, **paths, version="2", force=True)
    assert scored_with("scores.parquet", tmp_path) == "0.2"


def test_each_run_of_a_schedule_has_an_output_of_its_own(settings, tmp_path):
    pipeline = graph.configure(settings, "local/python:1", "batch-prediction").pipeline
    values = graph.parameters(settings, "batch-prediction")
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "runs"))

    with started_by(run_process):
        for _ in range(2):  # to one output, the second would do nothing
            pipeline(**values, input_uri="new rows.csv", output_uri="scores {run}.parquet")

    assert len([*Path().glob("scores ?*.parquet")]) == 2


def test_a_uri_has_the_day_on_which_it_is_read():
    uri = named("s3://rows/{date}/{run}/*.csv", "digits-abc")

    assert re.fullmatch(r"s3://rows/\d{4}-\d\d-\d\d/digits-abc/\*\.csv", uri)
