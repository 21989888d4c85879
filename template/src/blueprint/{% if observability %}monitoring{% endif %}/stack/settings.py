"""The sections `slo` and `monitor`: what the server promises, and who hears when it does not."""

from typing import Annotated

from pydantic import Field

from ...settings import ENV_PREFIX, Section, matching

Share = Annotated[float, Field(gt=0, lt=1)]
Number = Annotated[int, Field(ge=1, le=65535)]
Url = Annotated[str, matching(r"https?://[^\s/]+(/\S*)?", "a URL, such as https://example.com/x")]


class Slo(Section):
    """What the server promises over 30 days; see docs/monitoring.md.

    `availability` is the share of requests without an error of the server's. `latency_share` of
    them take at most `latency_seconds`.
    """

    availability: Share = 0.999
    latency_seconds: Annotated[float, Field(gt=0)] = 0.1
    latency_share: Share = 0.99


class Webhooks(Section):
    """Where Alertmanager sends alerts, by severity, and the one that always fires (heartbeat)."""

    page: Url | None = None
    ticket: Url | None = None
    heartbeat: Url | None = None


class Monitor(Section):
    """What `make monitor` starts, and whom alerts are sent to; see docs/monitoring.md.

    `runbooks` is where alerts find their pages: a folder, or the address of it in a browser.
    """

    prometheus_port: Number = 9090
    alertmanager_port: Number = 9093
    grafana_port: Number = 3000
    webhooks: Webhooks = Webhooks()
    runbooks: str = "docs/runbooks"


SECTIONS = {"slo": (Slo, Slo()), "monitor": (Monitor, Monitor())}
FROM_ENVIRONMENT = [f"monitor.webhooks.{name}" for name in Webhooks.model_fields]
LOGINS = {
    "monitor.webhooks": "set the whole URL in the environment, as "
    f"{ENV_PREFIX}MONITOR__WEBHOOKS__PAGE",
}
