"""The files of Prometheus, Alertmanager and Grafana, with what the configuration says.

`monitoring/` is the one source: what it holds is copied to `build/monitoring/<ENV>/`, and added are
the targets, the objectives and the webhooks of that environment. The folder is whole: a Prometheus
of one's own can be given it.
"""

import os
import re
import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from ...errors import UserError
from ...settings import ENVIRONMENT, Settings, with_login
from ...text import listing

SOURCE, BUILD = Path("monitoring"), Path("build/monitoring")
FOLDERS = ("prometheus", "alertmanager", "grafana", "dashboards")
RUNBOOKS = re.compile(r"(?<=runbook_url: )docs/runbooks/")
TF_SERVING = "/monitoring/prometheus/metrics"  # where its numbers are: docker/tf-serving


def write(settings: Settings, port: int | None = None) -> Path:
    """Write the folder of the selected environment, and return it. `port` is the server's."""
    folder = BUILD / environment()
    shutil.rmtree(folder, ignore_errors=True)
    for name in FOLDERS:
        shutil.copytree(SOURCE / name, folder / name)
    prometheus = folder / "prometheus"
    for path in (prometheus / "rules").iterdir():
        path.write_text(RUNBOOKS.sub(f"{settings.monitor.runbooks}/", path.read_text()))
    _dump(prometheus / "rules" / "slo.yml", objectives(settings))
    (prometheus / "targets").mkdir()
    for name, targets in _targets(settings, port).items():
        _dump(prometheus / "targets" / f"{name}.yml", targets)
    _add_webhooks(settings, folder / "alertmanager" / "alertmanager.yml")
    return folder


def environment() -> str:
    """The name of the configuration, which is a label of every target."""
    return os.environ.get(ENVIRONMENT) or "local"


def metrics_path() -> str:
    """Where a server has its numbers."""
    return TF_SERVING if find_spec("blueprint.serving.http") is None else "/metrics"


def objectives(settings: Settings) -> dict[str, Any]:
    """What the rules hold the server to, as rules whose series are constant.

    The latency's label is that of the histogram's bucket, as the server writes it. Raises UserError
    where it has no such bucket: the alert would never fire.
    """
    slo = settings.slo
    buckets = _buckets()
    if buckets and slo.latency_seconds not in buckets:
        known = listing([f"{each:g}" for each in buckets])
        raise UserError(f"slo.latency_seconds: {slo.latency_seconds:g}: the server counts {known}")
    rules = [
        {"record": "slo:availability:objective", "expr": f"vector({slo.availability})"},
        {
            "record": "slo:latency:objective",
            "expr": f"vector({slo.latency_share})",
            "labels": {"le": str(float(slo.latency_seconds))},
        },
    ]
    return {"groups": [{"name": "slo", "rules": rules}]}


def pipelines(settings: Settings) -> tuple[str, bool]:
    """Where the pipelines' numbers are, "" if nowhere; and whether `make metrics` gives them."""
    metrics = getattr(settings, "metrics", None)
    if metrics is None:
        return "", False
    if metrics.pushgateway:
        return urlsplit(metrics.pushgateway).netloc.rpartition("@")[2], False
    return f"{metrics.host}:{metrics.port}", True


def _buckets() -> tuple[float, ...]:
    """The bounds of the server's own histogram; none where TensorFlow Serving has another."""
    if find_spec("blueprint.serving.http") is None:
        return ()
    return import_module("blueprint.serving.http.metrics").BUCKETS  # type: ignore[no-any-return]


def _targets(settings: Settings, port: int | None) -> dict[str, Any]:
    serving, name = settings.serving, settings.registry.name
    labels = {"environment": environment(), "job": name, "role": "server"}
    labels["__metrics_path__"] = metrics_path()
    address, _ = pipelines(settings)
    role = {"environment": environment(), "role": "pipelines"}
    return {
        "server": [{"targets": [f"{serving.host}:{port or serving.port}"], "labels": labels}],
        "pipelines": [{"targets": [address], "labels": role}] if address else [],
        "alertmanager": [{"targets": [f"127.0.0.1:{settings.monitor.alertmanager_port}"]}],
    }


def _add_webhooks(settings: Settings, path: Path) -> None:
    """Give each receiver its URL. It may be a secret: nobody else may read the file."""
    content = yaml.safe_load(path.read_text())
    for receiver in content["receivers"]:
        name = receiver["name"]
        url = getattr(settings.monitor.webhooks, name, None)
        if url:
            url = with_login(url, "monitor", "webhooks", name)
            receiver["webhook_configs"] = [{"url": url, "send_resolved": name != "heartbeat"}]
    path.unlink()
    path.touch(0o600)
    _dump(path, content)


def _dump(path: Path, content: Any) -> None:
    text = "# Written by make monitor, from monitoring/ and config/.\n"
    path.write_text(text + yaml.safe_dump(content, sort_keys=False))
