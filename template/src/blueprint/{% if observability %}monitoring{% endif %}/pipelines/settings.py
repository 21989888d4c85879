"""The section `metrics`: where pipelines tell how they went."""

from typing import Annotated

from pydantic import Field

from ...settings import ENV_PREFIX, Section, matching

Url = Annotated[str, matching(r"https?://[^\s/]+(/\S*)?", "a URL, such as http://localhost:9091")]


class Metrics(Section):
    """Where pipelines tell Prometheus how they went; see docs/metrics.md.

    Each step tells the Pushgateway of that URL, if there is one; `make metrics` answers scrapes on
    `host` and `port`. `schedule_hours` says how long it is from one run of a pipeline to the next,
    {training: 24}: an alert is due when one does not come.
    """

    pushgateway: Url | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 9101
    schedule_hours: dict[str, Annotated[float, Field(gt=0)]] = {}

    def schedules(self, project: str) -> dict[str, float]:
        """Seconds between two runs, by the name of the pipeline where there are others."""
        return {
            f"{project}-{entry}".removesuffix("-training"): hours * 3600
            for entry, hours in self.schedule_hours.items()
        }


SECTIONS = {"metrics": (Metrics, Metrics())}
FROM_ENVIRONMENT = ("metrics.pushgateway",)
LOGINS = {
    "metrics.pushgateway": "set the whole URL in the environment of whatever runs the steps, as "
    f"{ENV_PREFIX}METRICS__PUSHGATEWAY",
}
