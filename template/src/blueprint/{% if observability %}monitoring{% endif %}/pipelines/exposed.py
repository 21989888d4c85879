"""`make metrics`: what .mlops and the registry know of the training pipeline, to be scraped."""

import logging
import math
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ...errors import UserError
from ...export.record import Training
from ...progress import FAILED, FINISHED, LINE, STARTED
from ...registry.client import Version, connect
from ...runs import RUNS, newest
from ...settings import Settings
from . import families
from .families import Run, Verdict

log = logging.getLogger(__name__)

TRAINING = ("load_data", "train_model", "evaluate_model")  # a run of others has none of them
LAST = "register_model"  # with this step, a run of the training pipeline has its verdict
FRESH_SECONDS = 5  # for as long the registry is not asked again
CURVE = "/"  # in the names of what is no metric of the test rows


@dataclass(frozen=True)
class Log:
    """A run on this machine, as its log has it: when it ended, whether well, its steps' seconds."""

    ended: float
    well: bool
    steps: dict[str, float]


class Known(Collector):
    """The metrics as they are when they are scraped."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock, self._asked = threading.Lock(), -math.inf
        self._kept: list[GaugeMetricFamily] = []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        with self._lock:
            if time.monotonic() - self._asked >= FRESH_SECONDS:
                self._kept, self._asked = self._read(), time.monotonic()
            yield from self._kept

    def _read(self) -> list[GaugeMetricFamily]:
        name = self._settings.registry.name
        schedule = self._settings.metrics.schedules(name).get(name)
        run = Run(None, None, schedule, None)
        logs = [*read_logs(RUNS)]
        metrics: list[GaugeMetricFamily] = []
        if logs:
            well = [each.ended for each in logs if each.well]
            run = replace(run, ended=logs[-1].ended, succeeded=max(well, default=None))
            metrics.append(families.steps_seconds(logs[-1].steps, name))
        try:
            versions = connect(self._settings.registry).versions()
        except UserError as error:
            log.warning("%s", error)
            versions = []
        if versions:  # those of other machines and of a cluster, too
            made = versions[0].created.timestamp()
            run = Run(
                max(made, run.ended or 0), max(made, run.succeeded or 0), schedule, known(versions)
            )
        return [*families.of_run(run, pipeline=name), *metrics]


def known(versions: list[Version]) -> Verdict:
    """What the registry knows of its newest version, and this machine of the rows."""
    version = versions[0]
    rows = {"test": version.tags.get("data.test_rows")}
    try:
        training = Training.read(newest("train-model/model"))
        if training.data.get("hash") == version.tags.get("data.train_hash"):
            rows["train"] = training.data.get("rows")
    except (UserError, OSError, ValueError):
        pass  # it was trained elsewhere
    return Verdict(
        accepted=version.accepted,
        promoted=version.accepted,
        rejections=families.rejections(versions),
        metrics={name: value for name, value in version.metrics.items() if CURVE not in name},
        rows={split: int(n) for split, n in rows.items() if n},
        data_sha256=version.tags.get("data.train_hash", ""),
    )


def read_logs(folder: Path) -> Iterator[Log]:
    """The runs of the training pipeline on this machine, the oldest first."""
    for path in sorted(folder.glob("*.log")):
        started, finished, failed = set(), {}, False
        for text in path.read_text(errors="replace").splitlines():
            match = LINE.match(text)
            if not match:
                continue
            step, event = match["step"], match["event"]
            if event == STARTED:
                started.add(step)
            elif event == FINISHED:
                seconds = re.match(r"in ([\d.]+) s", match["text"] or "")
                if seconds or step not in finished:
                    finished[step] = float(seconds[1]) if seconds else 0.0
            failed |= event == FAILED
        if started & {*TRAINING}:
            well = not failed and LAST in finished and started <= finished.keys()
            yield Log(path.stat().st_mtime, well, finished)


def serve(settings: Settings, port: int | None, once: bool) -> None:
    """Answer scrapes until Ctrl-C; with `once`, print what one would get."""
    registry = CollectorRegistry()
    registry.register(Known(settings))
    if once:
        print(generate_latest(registry).decode(), end="")
        return
    host, port = settings.metrics.host, port or settings.metrics.port
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        reason = error.strerror or error
        text = f"cannot listen on {host}:{port} (metrics.port): {reason}: `make metrics PORT=…`"
        raise UserError(text) from None
    print(f"http://{host}:{port}/metrics (Ctrl-C stops it)", flush=True)
    try:
        thread.join()
    except KeyboardInterrupt:
        server.shutdown()
