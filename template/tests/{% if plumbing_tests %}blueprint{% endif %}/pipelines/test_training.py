"""The training pipeline: its compiled form, and whole runs with the gate open and closed."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec

from blueprint.data import sources
from blueprint.data.settings import Data
from blueprint.data.sources import scan
from blueprint.registry import store
from blueprint.targets import local
from blueprint.targets.compile import compile_pipeline
from blueprint.targets.local import RunError

GOLDEN = Path(__file__).with_name("training.yaml")


@pytest.fixture
def compiled(load):
    path = Path("build/training.yaml")
    compile_pipeline(load(), path, "registry.example.com/pipeline:1")
    return path


def spec(path):
    """The compiled pipeline as data, without what a new KFP changes."""
    content = yaml.safe_load(path.read_text())
    del content["sdkVersion"]
    return content


def test_the_compiled_pipeline_is_the_golden_file(compiled, request):
    """`make test ARGS=--update-golden` accepts a change that you meant; then read the diff."""
    new = spec(compiled)
    del new["root"]["inputDefinitions"]  # what configuration gives is not the pipeline's form
    if request.config.getoption("--update-golden", False):
        GOLDEN.write_text(yaml.safe_dump(new, sort_keys=False))
    assert new == yaml.safe_load(GOLDEN.read_text())


def test_the_compiled_pipeline_is_a_pipeline_spec(compiled):
    parsed = json_format.ParseDict(spec(compiled), PipelineSpec(), ignore_unknown_fields=False)

    executors = parsed.deployment_spec["executors"]
    assert len(executors) == len(local.STEPS)
    for executor in executors.values():
        assert executor["container"]["image"] == "registry.example.com/pipeline:1"
        assert "pip install" not in str(executor)


def test_nothing_of_this_machine_is_compiled_in(compiled):
    text = compiled.read_text()

    assert str(Path.home()) not in text
    assert str(Path.cwd()) not in text


def in_service(loaded):
    return store.current(loaded.serving.store, loaded.registry.name).version


def test_runs_with_the_gate_open_and_closed(load):
    scan("sample", task=load().data.task).collect().write_parquet("rows.parquet")
    load = partial(load, "data.source=files", "data.files.path=rows.parquet")
    opened = local.run(load())
    assert opened.results == dict.fromkeys(local.STEPS, "finished")
    assert in_service(load()) == "1"

    [metric] = load().gate.floors
    closed = local.run(load(f"gate.floors.{metric}=1.01"))
    assert closed.results == {
        "load_data": "cached",
        "train_model": "cached",
        "evaluate_model": "finished",
        "register_model": "finished",
        "deploy_model": "skipped",
    }
    assert in_service(load()) == "1"


def test_a_failing_step_is_named_and_leaves_no_champion(load):
    with pytest.raises(RunError, match=r"load_data: source sample: no column 'nothing'.*full log"):
        local.run(load("data.label=nothing"))

    assert not Path(".mlops/store").exists()


def test_a_second_run_at_once_is_refused(load):
    with local._exclusive(), pytest.raises(RunError, match="another `make run` is at work"):
        local.run(load())


def test_the_first_run_warms_up_what_exists(folder, monkeypatch):
    python = folder / "python"
    python.write_text('#!/bin/sh\necho "$2" >> imports\n')
    python.chmod(0o755)
    monkeypatch.setattr(local.sys, "executable", str(python))

    local.warm_up().wait(timeout=20)
    local.RUNS.mkdir(parents=True)
    assert local.warm_up() is None

    [imports] = Path("imports").read_text().splitlines()
    monkeypatch.undo()
    subprocess.run([sys.executable, "-c", imports], check=True, timeout=120)


def test_a_reading_of_files_is_known_by_what_they_are(load):
    data = load("data.source=files", "data.files.path=rows/*.csv").data

    def reading(cache=True):
        return local.snapshot(data, cache)

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
    assert (local.snapshot(data, cache=False) == local.snapshot(data, cache=False)) is data.fixed
    if not data.cached:
        assert local.snapshot(data, cache=True) == ""
