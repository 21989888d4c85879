"""What a Prometheus operator is given, by the schemas of its custom resources."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.manifests import custom_faults
from support.projects import made
from support.watched import NAME, TABLE

pytestmark = pytest.mark.slow  # a project is set up
OBJECTS = """
import json
from blueprint import settings
from blueprint.monitoring.operator import beside
gateway = "metrics.pushgateway=http://pushgateway.monitoring:9091"
given = settings.load(overrides=["operator.labels={release: prometheus}", gateway])
print(json.dumps(beside.objects(given, given.registry.name)))
"""


@pytest.mark.parametrize("platform", ["kubernetes", "kserve"])
def test_objects_are_of_their_schemas(template: Path, tmp_path: Path, platform: str) -> None:
    answers: dict[str, Any] = {"observability": True, "drift_monitoring": True, "ci": "none"}
    cluster = {"platform": "kubeflow", "serving_platform": platform}
    project = made(template, tmp_path / "project", **TABLE, **answers, **cluster)
    objects = json.loads(project.run_python("-c", OBJECTS))
    custom = [each for each in objects if each["kind"] != "ConfigMap"]
    assert {each["kind"] for each in custom} == {"PodMonitor", "ServiceMonitor", "PrometheusRule"}
    assert [fault for each in custom for fault in custom_faults(each)] == []
    monitor = next(each for each in custom if each["kind"] == "PodMonitor")
    assert monitor["metadata"]["name"] == NAME
    assert custom_faults({**monitor, "spec": {**monitor["spec"], "endpoints": []}})
