"""What `make deploy` applies beside the server: which pods to scrape, the rules, the dashboards.

One source for both: the rules are those that `make monitor` gives to a Prometheus of one's own.
https://prometheus-operator.dev/docs/api-reference/api/
"""

from pathlib import Path
from typing import Any

import yaml

from ...settings import Settings
from ..stack import files

API = "monitoring.coreos.com/v1"
KSERVE = Path("deploy/storage-container")  # there where KServe serves
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


def _monitor(settings: Settings, name: str, labels: dict[str, str]) -> dict[str, Any]:
    """The server's pods as targets, with the labels that the rules know them by."""
    kserve = KSERVE.exists()
    found = {"serving.kserve.io/inferenceservice": name}
    if not kserve:
        found = {"app.kubernetes.io/name": name}
    known = {
        "job": settings.registry.name,
        "role": "server",
        "environment": files.environment(),
    }
    endpoint = {
        "port": "http1" if kserve else "http",
        "path": files.metrics_path(),
        "interval": "15s",
        "relabelings": [{"targetLabel": key, "replacement": text} for key, text in known.items()],
    }
    return {
        "apiVersion": API,
        "kind": "PodMonitor",
        "metadata": {"name": name, "labels": labels},
        "spec": {"selector": {"matchLabels": found}, "podMetricsEndpoints": [endpoint]},
    }


def _name(name: str, path: Path) -> str:
    return f"{name}-{path.stem.replace('_', '-')}"
