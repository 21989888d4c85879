"""Objects for the Prometheus operator: the same rules as in the files, and pods found by labels."""

import shutil
from pathlib import Path

import pytest
import yaml

from blueprint.monitoring.operator import beside

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def objects(folder, load):
    shutil.copytree(PROJECT / "monitoring", folder / "monitoring")
    shutil.copytree(PROJECT / "deploy", folder / "deploy")
    return lambda *overrides: beside.objects(load(*overrides), "digits")


def test_without_an_operator_there_is_nothing(objects):
    assert objects() == []


def test_the_rules_are_those_of_the_files(objects, folder):
    found = objects("operator.labels={release: prometheus}")
    rules = [each for each in found if each["kind"] == "PrometheusRule"]
    assert all(each["metadata"]["labels"]["release"] == "prometheus" for each in rules)
    inside = [group["name"] for each in rules for group in each["spec"]["groups"]]
    paths = (folder / "monitoring/prometheus/rules").glob("*.yml")
    groups = [group for path in paths for group in yaml.safe_load(path.read_text())["groups"]]
    assert sorted(inside) == sorted([*(group["name"] for group in groups), "slo"])


def test_pods_have_the_labels_that_rules_ask_for(objects):
    monitor = objects("operator={}")[0]
    assert monitor["kind"] == "PodMonitor"
    endpoint = monitor["spec"]["podMetricsEndpoints"][0]
    given = {each["targetLabel"]: each["replacement"] for each in endpoint["relabelings"]}
    assert given["role"] == "server"
    assert {"job", "environment"} <= given.keys()


@pytest.mark.parametrize(
    ("url", "namespaces"),
    [
        ("http://pushgateway.monitoring:9091", ["monitoring"]),
        ("http://pushgateway.watch.svc.cluster.local", ["watch"]),
        ("https://push.team.example.com", None),  # no Service of the cluster
    ],
)
def test_a_pushgateway_of_the_cluster_is_a_target(objects, url, namespaces):
    found = objects("operator={}", f"metrics.pushgateway={url}")
    specs = [each["spec"] for each in found if each["kind"] == "ServiceMonitor"]
    assert [each["namespaceSelector"]["matchNames"] for each in specs] == (
        [namespaces] if namespaces else []
    )
    assert all(each["endpoints"][0]["honorLabels"] for each in specs)


def test_dashboards_are_found_by_grafanas_sidecar(objects):
    maps = [each for each in objects("operator={}") if each["kind"] == "ConfigMap"]
    assert {key for each in maps for key in each["data"]} >= {"service.json", "pipeline.json"}
    assert all(each["metadata"]["labels"]["grafana_dashboard"] == "1" for each in maps)
