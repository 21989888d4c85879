"""The training pipeline on this machine: whole runs with the gate open and closed."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from blueprint.data import sources
from blueprint.data.settings import Data
from blueprint.data.sources import scan
from blueprint.errors import UserError
from blueprint.registry import store
from blueprint.runs import RUNS
from blueprint.targets import facts, local

STEPS = ["load_data", "train_model", "evaluate_model", "register_model", "deploy_model"]


def in_service(loaded):
    return store.current(loaded.serving.store, loaded.registry.name).version


def test_runs_with_the_gate_open_and_closed(load):
    scan("sample", task=load().data.task).collect().write_parquet("rows.parquet")
    load = partial(load, "data.source=files", "data.files.path=rows.parquet")
    opened = local.run(load())
    assert opened == dict.fromkeys(STEPS, "finished")
    assert in_service(load()) == "1"

    [metric] = load().gate.floors
    closed = local.run(load(f"gate.floors.{metric}=1.01"))
    assert closed == {
        "load_data": "cached",
        "train_model": "cached",
        "evaluate_model": "finished",
        "register_model": "finished",
        "deploy_model": "skipped",
    }
    assert in_service(load()) == "1"


def test_a_failing_step_is_named_and_leaves_no_champion(load):
    with pytest.raises(UserError, match=r"load_data: source sample: no column 'nothing'.*full log"):
        local.run(load("data.label=nothing"))

    assert not Path(".mlops/store").exists()


def test_a_second_run_at_once_is_refused(load):
    with local._exclusive(), pytest.raises(UserError, match="another `make run` is at work"):
        local.run(load())


def test_the_first_run_warms_up_what_exists(folder, monkeypatch):
    python = folder / "python"
    python.write_text('#!/bin/sh\necho "$2" >> imports\n')
    python.chmod(0o755)
    monkeypatch.setattr(local.sys, "executable", str(python))

    local.warm_up().wait(timeout=20)
    RUNS.mkdir(parents=True)
    (RUNS / "2026-01-01-00-00-00.log").touch()
    assert local.warm_up() is None

    [imports] = Path("imports").read_text().splitlines()
    monkeypatch.undo()
    subprocess.run([sys.executable, "-c", imports], check=True, timeout=120)


def test_a_reading_of_files_is_known_by_what_they_are(load):
    data = load("data.source=files", "data.files.path=rows/*.csv").data

    def reading(cache=True):
        return facts.snapshot(data, cache)

    assert reading() != reading()  # there are none: load_data says so in every run
    Path("rows").mkdir()
    first = Path("rows/1.csv")
    first.write_text("a\n1\n")
    seen = [reading(), reading()]
    assert seen[0] == seen[1]
    first.write_text("a\n2\n")
    seen.append(reading())
    Path("rows/2.csv").write_text("a\n2\n")
    seen.append(reading())
    first.unlink()
    assert len({*seen, reading()}) == 4
    assert reading(cache=False) != reading(cache=False)


@pytest.mark.parametrize("source", sources.names())
def test_a_source_that_may_change_is_read_again_unless_the_settings_say_otherwise(source):
    data = Data.model_construct(source=source, files=None, sql=None)
    assert (facts.snapshot(data, cache=False) == facts.snapshot(data, cache=False)) is data.fixed
    if not data.cached:
        assert facts.snapshot(data, cache=True) == ""
