"""What `make deploy` applies beside the server: what to scrape, the rules, the dashboards.

One source for both: the rules are those that `make monitor` gives to a Prometheus of one's own.
https://prometheus-operator.dev/docs/api-reference/api/
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from ...settings import Settings
from ..stack import files

API = "monitoring.coreos.com/v1"
KSERVE = Path("deploy/storage-container")  # there where KServe serves
SERVICE = re.compile(r"[\w-]+\.([\w-]+)(\.svc(\..+)?)?")  # a cluster's, as a host; its namespace
DASHBOARD = {"grafana_dashboard": "1"}  # by which Grafana's sidecar finds it; a text, not a number


def objects(settings: Settings, name: str) -> list[dict[str, Any]]:
    """The objects for the server of that name; none where the configuration has no `operator`."""
    if settings.operator is None:
        return []
    folder = files.write(settings)
    labels = {"app.kubernetes.io/name": name, **settings.operator.labels}
    rules = sorted((folder / "prometheus" / "rules").glob("*.yml"))
    boards = sorted((folder / "dashboards").glob("*.json"))
    return [
        _monitor(settings, name, labels),
        *_gateway(settings, name, labels),
        *(
            {
                "apiVersion": API,
                "kind": "PrometheusRule",
                "metadata": {"name": _name(name, path), "labels": labels},
                "spec": yaml.safe_load(path.read_text()),
            }
            for path in rules
        ),
        *(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"{_name(name, path)}-dashboard", "labels": DASHBOARD},
                "data": {path.name: path.read_text()},
            }
            for path in boards
        ),
    ]


def _gateway(settings: Settings, name: str, labels: dict[str, str]) -> list[dict[str, Any]]:
    """The Pushgateway as a target, where it is a Service of the cluster: of what lies there, what
    this project's pipelines pushed."""
    found = SERVICE.fullmatch(urlsplit(settings.metrics.pushgateway or "").hostname or "")
    if not found or settings.operator is None:
        return []
    own = {"sourceLabels": ["pipeline"], "regex": f"{settings.registry.name}(-.+)?"}
    endpoint = {
        "port": "http",
        "interval": "15s",
        "honorLabels": True,
        "relabelings": _labels({"role": "pipelines"}),
        "metricRelabelings": [{**own, "action": "keep"}],
    }
    spec = {
        "namespaceSelector": {"matchNames": [found[1]]},
        "selector": {"matchLabels": settings.operator.pushgateway},
        "endpoints": [endpoint],
    }
    head = {"apiVersion": API, "kind": "ServiceMonitor"}
    return [{**head, "metadata": {"name": f"{name}-pipelines", "labels": labels}, "spec": spec}]


def _labels(known: dict[str, str]) -> list[dict[str, str]]:
    """What gives a target these labels, by which the rules know it, and its environment."""
    known = {**known, "environment": files.environment()}
    return [{"targetLabel": key, "replacement": text} for key, text in known.items()]


def _monitor(settings: Settings, name: str, labels: dict[str, str]) -> dict[str, Any]:
    """The server's pods as targets."""
    kserve = KSERVE.exists()
    found = {"serving.kserve.io/inferenceservice": name}
    if not kserve:
        found = {"app.kubernetes.io/name": name}
    endpoint = {
        "port": "http1" if kserve else "http",
        "path": files.metrics_path(),
        "interval": "15s",
        "relabelings": _labels({"job": settings.registry.name, "role": "server"}),
    }
    return {
        "apiVersion": API,
        "kind": "PodMonitor",
        "metadata": {"name": name, "labels": labels},
        "spec": {"selector": {"matchLabels": found}, "podMetricsEndpoints": [endpoint]},
    }


def _name(name: str, path: Path) -> str:
    return f"{name}-{path.stem.replace('_', '-')}"
