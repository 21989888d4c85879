"""The demonstration, told while it happens. Everything is real; it lives in a folder of its own."""

import csv
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from .... import settings
from ....data import as_instance
from ....errors import UserError
from ....model import Model
from ....registry import models
from ....registry.client import connect
from ....registry.store import current
from ....runs import RUNS, STATE
from ...drift import metrics, statistics
from ...drift.check import Checked, check
from ...prediction_log.labels import attach
from . import picture, programs
from .picture import Point
from .world import World

FOLDER = STATE / "demo-drift"
ENVIRONMENT = "demo"
BATCH, REQUEST = 200, 10  # rows between two checks; rows of a request
WINDOW = 300
FLUSH_SECONDS, WAIT_SECONDS = 1, 60
WIDTH = 80
SCRAPES = 3  # seconds in which Prometheus has seen what is new


def run() -> Path:
    """Tell the story; return where the picture is. Raises `UserError` for what goes wrong."""
    begin, world, lock = time.monotonic(), World(settings.load().data), Path("uv.lock").resolve()
    ran = next(chain(RUNS.glob("*.log"), (FOLDER / RUNS).glob("*.log")), None)
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "data").mkdir(parents=True)
    if ran:  # the libraries are compiled: nothing to warm up
        (FOLDER / RUNS).mkdir(parents=True)
        (FOLDER / RUNS / ran.name).touch()
    shutil.copytree("config", FOLDER / "config")
    if lock.exists():
        shutil.copyfile(lock, FOLDER / "uv.lock")
    with chdir(FOLDER), _environment(), ExitStack() as stack:
        port = programs.free_port()
        _configure(port)
        story = Story(world, port, stack)
        story.tell()
        picture.write(Path("drift.svg"), story.points, settings.load().drift.share)
    print(f"\n{time.monotonic() - begin:.0f} seconds; everything is in {FOLDER}")
    return FOLDER / "drift.svg"


class Story:
    """What happens, in order, with the numbers on the way."""

    def __init__(self, world: World, port: int, stack: ExitStack) -> None:
        self.world, self.port, self.stack = world, port, stack
        self.points: list[Point] = []
        self.asked, self.url = 0, ""
        self.prometheus: str | None = None
        self.labels: list[dict[str, Any]] = []
        self.newest = _Newest()

    def tell(self) -> None:
        world = self.world
        self._head(1, f"train a model on {len(world.known):,} rows as they are")
        world.known.write_parquet("data/rows.parquet")
        threading.Thread(target=_warm_up, daemon=True).start()
        programs.command("run")

        self._head(2, "serve it; whatever it predicts is logged")
        drift_port = self.newest.serve()
        self.url = self.stack.enter_context(programs.server(self.port))
        print(f"    {self.url}")
        self.prometheus = self.stack.enter_context(programs.prometheus(self.port, drift_port))
        missing = "Prometheus is not installed: `apt install prometheus` shows alerts here, too"
        print(f"    Prometheus at {self.prometheus}" if self.prometheus else f"    {missing}")

        self._head(3, "ask it about rows as it knows them")
        for _ in range(2):
            self._ask(changed=False)

        self._head(4, "the world changes: " + _change(world))
        asked = [self._ask(changed=True) for _ in range(2)]
        self._alert()

        self._head(5, "people say what was true: make labels FILE=labels.csv")
        self._send_labels()

        self._head(6, "make run PIPELINE=monitoring: drift → training on the newest rows → gate")
        fresh = pl.concat([world.change(world.known), *asked])
        fresh.write_parquet("data/rows.parquet")  # as a nightly job would
        before = self._version()
        programs.command("run", "--pipeline", "monitoring")
        self._switched(before)
        world.asked = world.later  # what the new version has not learned, either

        self._head(7, "ask the new version about the changed world")
        for _ in range(2):
            self._ask(changed=True)
        self._alert()
        print()
        models.show(settings.load())

    def _head(self, number: int, text: str) -> None:
        print(f"\n{number}/7 {text}", flush=True)

    def _ask(self, *, changed: bool) -> pl.DataFrame:
        """Send a batch, and look for drift in the newest rows of the log."""
        rows = self.world.traffic(BATCH, changed=changed)
        values, features = self.world.features(rows)
        name, right = settings.load().registry.name, []
        truth = rows[self.world.data.label].cast(pl.String).to_list()
        version, classes = self._version(), _classes()
        for start in range(0, len(values), REQUEST):
            part, request = values[start : start + REQUEST], f"demo-{self.asked + start}"
            instances = [as_instance(each, features) for each in part]
            url = f"{self.url}/v1/models/{name}:predict"
            answer = programs.ask(url, {"instances": instances}, request)["predictions"]
            for row, prediction in enumerate(answer):
                label = truth[start + row]
                self.labels.append({"request_id": request, "row": row, "label": label})
                if classes:
                    right.append(classes[int(np.argmax(prediction))] == label)
        self.asked += len(values)
        self._logged()
        drift = self.newest.look().drift
        share = float(np.mean(right)) if right else None
        self.points.append(Point(self.asked, drift.share if drift.enough else 0.0, share, version))
        correct = f" · {share:.0%} right" if share is not None else ""
        line = f"    {self.asked:>5,} rows · version {version}{correct} · {drift.verdict}"
        print(line if len(line) <= WIDTH else f"{line[: WIDTH - 1].rpartition(' ')[0]} …")
        return rows

    def _logged(self) -> None:
        """Wait until the log has what was asked."""
        end, files = time.monotonic() + WAIT_SECONDS, Path(".mlops/predictions")
        while time.monotonic() < end:
            with suppress(OSError, pl.exceptions.PolarsError):  # none yet
                found = sorted(files.glob("*/date=*/*.parquet"))
                scanned = pl.scan_parquet(found, missing_columns="insert", extra_columns="ignore")
                if found and scanned.select(pl.len()).collect().item() >= self.asked:
                    return
            time.sleep(0.2)
        raise UserError(f"{files} lacks what was asked: see server.log in {FOLDER}")

    def _send_labels(self) -> None:
        with Path("labels.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["request_id", "row", "label"])
            writer.writeheader()
            writer.writerows(self.labels)
        loaded = settings.load()
        attach(loaded.prediction_log, loaded.registry.name, "labels.csv")

    def _version(self) -> str:
        name = settings.load().registry.name
        states = programs.ask(f"{self.url}/v1/models/{name}")["model_version_status"]
        return next(str(each["version"]) for each in states if each["state"] == "AVAILABLE")

    def _switched(self, before: str) -> None:
        """Wait until the server answers with the champion, and say so."""
        champion = connect(settings.load().registry).champion()
        if champion is None or champion.number == before:
            raise UserError("the gate rejected the new model: `make report` there says why")
        end = time.monotonic() + WAIT_SECONDS
        while self._version() == before and time.monotonic() < end:
            time.sleep(0.2)
        print(f"    the server answers with version {self._version()} now; it was never stopped")

    def _alert(self) -> None:
        if self.prometheus:
            time.sleep(SCRAPES)
            firing = programs.query(self.prometheus, 'ALERTS{alertname="Drift"}')
            of = ", ".join(labels["version"] for labels, _ in firing)
            state = f"the alert Drift fires for version {of}" if firing else "no alert fires"
            print(f"    Prometheus: {state}")


class _Newest:
    """The newest check, and its numbers for Prometheus."""

    def __init__(self) -> None:
        self.checked: Checked | None = None

    def look(self) -> Checked:
        self.checked = check(settings.load(), say=lambda _: None)
        return self.checked

    def serve(self) -> int:
        """Answer scrapes on a free port, and return it."""
        from prometheus_client import CollectorRegistry, start_http_server

        registry, port = CollectorRegistry(), programs.free_port()
        registry.register(self)  # type: ignore[arg-type]
        start_http_server(port, "127.0.0.1", registry)
        return port

    def collect(self) -> Iterator[Any]:
        if self.checked:
            yield from metrics.collect(self.checked.drift).collect()


def _configure(port: int) -> None:
    """The environment `demo`: the project's own configuration, but for where things are."""
    chosen = {
        "data": {"source": "files", "files": {"path": "data/*.parquet", "format": "parquet"}},
        "registry": {
            "tracking_uri": "sqlite:///.mlops/mlflow.db",
            "artifact_location": ".mlops/artifacts",
        },
        "serving": {"store": ".mlops/store", "port": port},
        "prediction_log": {"path": ".mlops/predictions", "flush_seconds": FLUSH_SECONDS},
        "drift": {"source": "log", "window_rows": WINDOW, "min_rows": BATCH},
        "retraining": {"enabled": True},
    }
    Path("config", f"{ENVIRONMENT}.yaml").write_text(yaml.safe_dump(chosen))


@contextmanager
def _environment() -> Iterator[None]:
    """Have this process and those that it starts read the environment `demo`."""
    before = os.environ.get(settings.ENVIRONMENT)
    os.environ[settings.ENVIRONMENT] = ENVIRONMENT
    try:
        yield
    finally:
        os.environ.pop(settings.ENVIRONMENT)
        if before is not None:
            os.environ[settings.ENVIRONMENT] = before


def _warm_up() -> None:
    """Import what the checks need, half a minute of it, while the first model is trained."""
    with suppress(UserError):  # the first check says it
        statistics.load()


def _classes() -> tuple[str, ...]:
    loaded = settings.load()
    deployed = current(loaded.serving.folder(), loaded.registry.name)
    return Model(deployed.folder).signature.classes if deployed else ()


def _change(world: World) -> str:
    pictures = any(isinstance(dtype, pl.Array) for dtype in world.rows.dtypes)
    return "the camera is turned and noisy" if pictures else "all numbers are higher, and noisy"
