"""The pipeline `monitoring` as a cluster gets it: its form, and the image of each step."""

from pathlib import Path

import pytest
import yaml
from cluster.fake import Fake
from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec

from blueprint.errors import UserError
from blueprint.targets import images
from blueprint.targets.compiling import compile_pipeline
from blueprint.targets.facts import fingerprint
from blueprint.targets.kubeflow import schedules

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


def test_before_there_is_one_it_is_what_would_be_built(compiled):
    Path("docker").mkdir()
    Path("docker/monitoring.Dockerfile").touch()

    assert compiled()["monitor-model"].partition(":")[0].endswith("-monitoring")


def test_its_schedule_is_its_own_and_needs_the_image(load):
    image = images.Image("pipeline:1", fingerprint(), 900, "registry.example.com/pipeline@sha256:1")
    images.remember({"pipeline": image})
    Path("docker").mkdir()
    Path("docker/monitoring.Dockerfile").touch()
    with Fake() as fake:
        cluster = ("kubeflow.experiment=tests", f"kubeflow.endpoint={fake.endpoint}")
        settings = load("registry.tracking_uri=http://mlflow:5000", "serving.store=null", *cluster)
        schedules.schedule(settings, "0 3 * * *")
        with pytest.raises(UserError, match="runs in the image monitoring, which no registry"):
            schedules.schedule(settings, "0 * * * *", "monitoring")

        images.remember({"pipeline": image, "monitoring": image})
        schedules.schedule(settings, "0 * * * *", "monitoring")

        names = [each.display_name for each in fake.recurring.values()]
        assert names == [settings.registry.name, f"{settings.registry.name}-monitoring"]
        schedules.unschedule(settings, "monitoring")
        assert len(fake.recurring) == 1
