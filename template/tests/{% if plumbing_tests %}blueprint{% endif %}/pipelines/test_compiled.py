"""The compiled training pipeline, as a cluster gets it."""

import sys
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec

from blueprint import settings
from blueprint.targets.compiling import compile_pipeline

STEPS = 5
GOLDEN = Path(__file__).with_name("training.yaml")


@pytest.fixture
def compiled(load):
    path = Path("build/training.yaml")
    compile_pipeline(load(), path, "registry.example.com/pipeline:1")
    return path


def spec(path):
    """The compiled pipeline as data, without what a new KFP or an edit of a component changes."""
    content = yaml.safe_load(path.read_text())
    del content["sdkVersion"]
    for executor in content["deploymentSpec"]["executors"].values():
        del executor["container"]["command"]
    return content


def test_the_compiled_pipeline_is_the_golden_file(compiled, request):
    """`make test ARGS=--update-golden` accepts a change that you meant; then read the diff."""
    new = spec(compiled)
    del new["root"]["inputDefinitions"]  # what configuration gives is not the pipeline's form
    if request.config.getoption("--update-golden", False):
        GOLDEN.write_text(yaml.safe_dump(new, sort_keys=False))
    assert new == yaml.safe_load(GOLDEN.read_text())


def test_the_compiled_pipeline_is_a_pipeline_spec(compiled):
    text = compiled.read_text()
    assert "pip install" not in text
    content = yaml.safe_load(text)
    parsed = json_format.ParseDict(content, PipelineSpec(), ignore_unknown_fields=False)

    executors = parsed.deployment_spec["executors"]
    assert len(executors) == STEPS
    for executor in executors.values():
        assert executor["container"]["image"] == "registry.example.com/pipeline:1"


def test_nothing_of_this_machine_is_compiled_in(folder):
    path = Path("build/training.yaml")
    compile_pipeline(settings.load("test"), path, "registry.example.com/pipeline:1")
    text = path.read_text()

    assert str(Path.home()) not in text
    assert str(Path.cwd()) not in text
    assert sys.executable not in text
