"""The newest check for Prometheus: gauges to scrape or to push."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ...logins import without_login
from ...settings import with_login
from .result import Drift

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

SECONDS = 5  # that a Pushgateway has to answer


def collect(drift: Drift) -> "CollectorRegistry":
    """The gauges of one check. Columns are the model's, so there are no more than it has."""
    from prometheus_client import CollectorRegistry, Gauge

    registry = CollectorRegistry()
    model = {"model": drift.model, "version": drift.version}

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, [*model, *labels], registry=registry)

    checked = datetime.fromisoformat(drift.checked).timestamp()
    once = {
        "drift_checked_timestamp_seconds": ("When drift was looked for", checked),
        "drift_rows": ("Rows that were looked at", drift.rows),
    }
    if drift.enough:
        once |= {
            "drift_detected": ("1 where drift was found, else 0", float(drift.detected)),
            "drift_share": ("The share of the features that moved", drift.share),
        }
    for name, (text, value) in once.items():
        gauge(name, text).labels(**model).set(value)
    scores = gauge("drift_score", "How far a column is from its reference", "column", "method")
    for column in drift.columns:
        if column.score is not None:
            labels = {"column": column.name, "method": column.method}
            scores.labels(**model, **labels).set(column.score)
    quality = gauge("drift_performance", "A metric of the rows that have labels", "metric")
    for each in drift.performance:
        if not each.segment:
            quality.labels(**model, metric=each.metric).set(each.value)
    return registry


def push(settings: Any, drift: Drift, say: Callable[[str], None]) -> None:
    """Push the gauges to `metrics.pushgateway`, where one is configured; an error is only said."""
    url = getattr(getattr(settings, "metrics", None), "pushgateway", None)
    if not url:
        return
    from prometheus_client.exposition import (
        basic_auth_handler,
        default_handler,
        push_to_gateway,
    )

    parts = urlsplit(with_login(url, "metrics", "pushgateway"))
    host = parts.netloc.rpartition("@")[2]
    login = unquote(parts.username or ""), unquote(parts.password or "")

    def send(url: str, method: str, timeout: Any, headers: Any, data: bytes) -> Any:
        return basic_auth_handler(url, method, timeout, headers, data, *login)

    handler: Any = send if parts.username else default_handler
    address = parts._replace(netloc=host).geturl()
    group = {"model": drift.model}  # one a model: what another version had is replaced
    try:
        push_to_gateway(address, "drift", collect(drift), group, timeout=SECONDS, handler=handler)
    except (OSError, ValueError) as error:
        say(f"metrics.pushgateway {without_login(url)}: the numbers were not pushed ({error})")
