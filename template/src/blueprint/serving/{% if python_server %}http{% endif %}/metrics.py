"""What the server tells Prometheus."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import InfoMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from .holder import Holder

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Requests by status code, their latency, and the version in service.

    `shared` adds up the numbers of several worker processes (PROMETHEUS_MULTIPROC_DIR).
    """

    def __init__(self, name: str, holder: Holder, *, shared: bool) -> None:
        self._name, self._holder = name, holder
        self.own = own = CollectorRegistry()  # another folder may count more there
        self._requests = Counter(
            "predict_requests", "Prediction requests, by status code", ["code"], registry=own
        )
        self._seconds = Histogram(
            "predict_request_seconds",
            "Time to answer a prediction request",
            buckets=BUCKETS,
            registry=own,
        )
        self.registry = CollectorRegistry() if shared else own
        if shared:
            MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call]
        self.registry.register(self)
        self._ok = self._requests.labels("200")

    def observe(self, code: int, seconds: float) -> None:
        """Count one prediction request."""
        (self._ok if code == 200 else self._requests.labels(str(code))).inc()
        self._seconds.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """The version in service, as `model_info{name=…, version=…} 1`."""
        if current := self._holder.current:
            labels = {"name": self._name, "version": current.version}
            yield InfoMetricFamily("model", "The model in service", labels)

    def render(self) -> bytes:
        """The text that a scrape gets."""
        return generate_latest(self.registry)
