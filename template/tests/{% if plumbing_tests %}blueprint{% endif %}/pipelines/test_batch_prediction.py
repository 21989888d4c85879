"""The pipeline of batch prediction in its compiled form; tests/batch runs it."""

from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec

from blueprint.targets.compiling import compile_pipeline

pytest.importorskip("blueprint.batch")
GOLDEN = Path(__file__).with_name("batch_prediction.yaml")


@pytest.fixture
def compiled(load):
    path = Path("build/batch_prediction.yaml")
    compile_pipeline(load(), path, "registry.example.com/pipeline:1", "batch-prediction")
    content = yaml.safe_load(path.read_text())
    del content["sdkVersion"]
    return content


def test_the_compiled_pipeline_is_the_golden_file(compiled, request):
    """`make test ARGS=--update-golden` accepts a change that you meant; then read the diff."""
    for executor in compiled["deploymentSpec"]["executors"].values():
        del executor["container"]["command"]  # it holds the component's source
    del compiled["root"]["inputDefinitions"]  # what configuration gives is not the pipeline's form
    if request.config.getoption("--update-golden", False):
        GOLDEN.write_text(yaml.safe_dump(compiled, sort_keys=False))
    assert compiled == yaml.safe_load(GOLDEN.read_text())


def test_the_compiled_pipeline_is_a_pipeline_spec(compiled):
    json_format.ParseDict(compiled, PipelineSpec(), ignore_unknown_fields=False)

    [executor] = compiled["deploymentSpec"]["executors"].values()
    assert executor["container"]["image"] == "registry.example.com/pipeline:1"
    assert "pip install" not in str(executor)
    given = compiled["root"]["inputDefinitions"]["parameters"]
    assert [name for name, each in given.items() if "defaultValue" not in each] == [
        "input_uri",
        "output_uri",
    ]
