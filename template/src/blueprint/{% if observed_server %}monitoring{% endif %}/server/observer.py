"""The metrics of the server: errors by kind, what is under way, the model, what it predicts."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import mark_process_dead

from .content import Content, Counters

if TYPE_CHECKING:
    from ...serving.http.app import Api
    from ...serving.http.holder import Served
    from ...serving.observers import Observation

BATCH_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class ServerMetrics:
    """Counts requests as they begin and end. `content` counts what is in them, a little later."""

    def __init__(self, api: "Api") -> None:
        own = api.metrics.own
        self._errors = Counter(
            "predict_errors",
            "Prediction requests that failed, by protocol and kind",
            ["route", "kind"],
            registry=own,
        )
        self._in_flight = 0
        text = "Prediction requests that are being read or answered"
        gauge = Gauge("predict_in_flight", text, registry=own, multiprocess_mode="livesum")
        self._shared = gauge if "PROMETHEUS_MULTIPROC_DIR" in os.environ else None
        if self._shared is None:
            gauge.set_function(lambda: self._in_flight)  # a lock costs two microseconds a request
        self.content = Content(Counters(own), folder_of(api))
        api.metrics.registry.register(ModelFacts(api, self.content.prepare))
        watch_batches(api)
        api.metrics.render = self._rendering(api.metrics.render)  # type: ignore[method-assign]

    def begin(self, scope: Any, route: str) -> None:
        self._in_flight += 1
        if self._shared is not None:  # another worker may be asked for it
            self._shared.inc()

    def observe(self, observation: "Observation") -> None:
        self._in_flight -= 1
        if self._shared is not None:
            self._shared.dec()
        if observation.kind:
            self._errors.labels(observation.route, observation.kind).inc()
        elif observation.served is not None:
            self.content.add(observation.served, observation)

    def _rendering(self, render: Callable[[], bytes]) -> Callable[[], bytes]:
        """A scrape that counts first what has waited, and forgets what ended workers had open."""

        def rendered() -> bytes:
            self.content.flush()
            if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
                mark_ended(Path(folder))
            return render()

        return rendered


class ModelFacts:
    """The files of the model in service, and when and how quickly they were loaded."""

    def __init__(self, api: "Api", prepare: Callable[["Served"], object]) -> None:
        self._holder, self._prepare = api.holder, prepare
        self._seconds = self._loaded = 0.0
        self._refresh = api.holder.refresh
        api.holder.refresh = self._timed  # type: ignore[method-assign]

    def _timed(self) -> None:
        """A look at the store; when it has changed the model, note how long that took."""
        before, start = self._holder.current, time.perf_counter()
        self._refresh()
        if (current := self._holder.current) and current is not before:
            self._seconds, self._loaded = time.perf_counter() - start, time.time()
            self._prepare(current)

    def collect(self) -> Iterator[Metric]:
        if (current := self._holder.current) is None:
            return
        text = "Time to check, load and warm up the model in service"
        yield GaugeMetricFamily("model_load_seconds", text, self._seconds)
        text = "When this process put the model in service"
        yield GaugeMetricFamily("model_loaded_timestamp_seconds", text, self._loaded)
        labels = ["version", "sha256"]
        info = GaugeMetricFamily("model_hash_info", "The SHA-256 of all its files", labels=labels)
        info.add_metric([current.version, current.sha256], 1)
        yield info


def observer(api: "Api") -> ServerMetrics:
    """What is told of each request."""
    return ServerMetrics(api)


def folder_of(api: "Api") -> Callable[["Served"], Path]:
    """Where a model's files are: its folder in the store."""
    from ...registry import store

    home = Path(api.holder.folder) / api.name
    return lambda served: store.folder_of(home, served.version, served.sha256)


def watch_batches(api: "Api") -> None:
    """Where requests are predicted together: how many rows wait, and how many a batch has."""
    batcher = getattr(api.work, "batcher", None)
    if batcher is None:
        return
    own = api.metrics.own
    text = "Rows that were predicted together"
    rows = Histogram("predict_batch_rows", text, buckets=BATCH_ROWS, registry=own)
    batcher.on_start = rows.observe
    waiting = Gauge(
        "predict_queue_rows",
        "Rows that wait for their batch to begin",
        registry=own,
        multiprocess_mode="livesum",
    )
    batcher.on_wait = waiting.set


def mark_ended(folder: Path) -> None:
    """Remove what workers that were killed had under way: nobody else would."""
    for pid in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*_*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
        except PermissionError:
            pass
