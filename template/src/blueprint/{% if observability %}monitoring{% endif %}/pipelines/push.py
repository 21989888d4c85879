"""From a step to a Pushgateway: its own time, when its pipeline ran, what register_model knows.

https://github.com/prometheus/pushgateway: a push replaces what its group had under that name. So
the time of a step is in a group of its own, and the rest in that of the pipeline.
"""

import json
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import basic_auth_handler, default_handler, pushadd_to_gateway
from prometheus_client.registry import Collector

from ...settings import with_login
from . import families
from .families import Run, Verdict
from .tasks import Told

JOB = "pipelines"
TIMEOUT_SECONDS = 3


class _These(Collector):
    def __init__(self, metrics: list[GaugeMetricFamily]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from self._metrics


def push(told: Told, step: str, seconds: float, *, failed: bool) -> None:
    """Tell how a step ended. Raises OSError where nobody takes it."""
    send = partial(_send, with_login(told.pushgateway, "metrics", "pushgateway"))
    send({"pipeline": told.pipeline, "step": step}, [families.step_seconds(seconds)])
    verdict = _verdict() if step == "register_model" and not failed else None
    ended = not failed and (told.end or bool(verdict and not verdict.promoted))
    now = time.time()
    run = Run(now, now if ended else None, told.schedule_seconds, verdict)
    send({"pipeline": told.pipeline}, families.of_run(run))


def _send(gateway: str, group: dict[str, str], metrics: list[GaugeMetricFamily]) -> None:
    registry = CollectorRegistry()
    registry.register(_These(metrics))
    parts = urlsplit(gateway)
    host = parts.netloc.rpartition("@")[2]
    handler: Any = default_handler
    if parts.username:
        handler = partial(_with_login, unquote(parts.username), unquote(parts.password or ""))
    url = parts._replace(netloc=host).geturl()
    pushadd_to_gateway(url, JOB, registry, group, timeout=TIMEOUT_SECONDS, handler=handler)


def _with_login(
    user: str, password: str, url: str, method: str, timeout: Any, headers: Any, data: bytes
) -> Any:
    return basic_auth_handler(url, method, timeout, headers, data, user, password)


def _verdict() -> Verdict:
    """What register_model was given, as KFP's executor says it on its command line."""
    from kfp.dsl import Artifact

    from ...registry.client import Registry

    inputs = json.loads(sys.argv[sys.argv.index("--executor_input") + 1])["inputs"]
    paths = {
        name: Path(Artifact(uri=each["artifacts"][0]["uri"]).path)
        for name, each in inputs["artifacts"].items()
    }
    registry = Registry(**inputs["parameterValues"]["registry"], patient=False)
    return families.verdict(
        registry.versions(), json.loads(paths["verdict"].read_text()), paths["model"]
    )
