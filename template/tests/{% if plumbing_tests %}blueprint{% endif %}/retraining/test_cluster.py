"""The pipeline `monitoring` as a cluster gets it: its form, and the image of each step."""

from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec

from blueprint.targets import images
from blueprint.targets.kubeflow.compiling import compile_pipeline

IMAGE = "registry.example.com/pipeline:1"


@pytest.fixture
def compiled(load):
    """Compile it, and return the image of each step."""

    def compile_() -> dict[str, str]:
        path = Path("build/monitoring.yaml")
        compile_pipeline(load(), path, IMAGE, "monitoring")
        spec = next(yaml.safe_load_all(path.read_text()))
        json_format.ParseDict(spec, PipelineSpec(), ignore_unknown_fields=False)
        executors = spec["deploymentSpec"]["executors"]
        return {name[5:]: each["container"]["image"] for name, each in executors.items()}

    return compile_


def test_a_step_that_compares_has_an_image_of_its_own(compiled):
    images.remember({"monitoring": images.Image("monitoring:1", "c0de", 900)})

    found = compiled()

    assert found.pop("monitor-model") == "monitoring:1"
    assert "record-retraining" in found
    assert {*found.values()} == {IMAGE}


def test_a_pushed_image_is_taken_by_its_digest(compiled):
    pushed = "registry.example.com/monitoring@sha256:1"
    images.remember({"monitoring": images.Image("monitoring:1", "c0de", 900, pushed)})

    assert compiled()["monitor-model"] == pushed


def test_before_there_is_one_it_is_that_of_the_pipeline(compiled):
    assert {*compiled().values()} == {IMAGE}
