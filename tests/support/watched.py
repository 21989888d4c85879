"""Real Prometheus, Alertmanager and Pushgateway, a webhook that listens, and clients that ask."""

import http.server
import itertools
import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from support.project import Project, free_port, get

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
FASTER = 180  # a minute takes a third of a second
# Durations, in windows and where a key says how long; numbers of seconds in expressions stay.
DURATION = re.compile(r"(?<=[\[ ])(\d+)([smhdw])(?=[\],}\n]|\)| #)")
INTERVAL = re.compile(r"(?<=_interval: )\d+s")
SCRAPE = "400ms"
LATENCY_SECONDS = 0.5  # the objective: on a busy machine, too, a healthy server keeps it
PAUSE_SECONDS = 0.2  # of each client, between its requests
INSTALL = "apt install prometheus prometheus-alertmanager prometheus-pushgateway"
TABLE = {"task": "tabular-classification", "framework": "sklearn"}
NAME = "digit-recognition"  # of the model, the pipeline and the job: the default project's
ROWS = """\
import json
from blueprint import runs
from blueprint.data import Dataset, as_instance
test = Dataset(runs.newest("load-data/test_data"))
found = {}
for row in test.scan().collect().iter_rows(named=True):
    values = {name: row[name] for name in test.schema.features}
    instance = as_instance(values, test.schema.features)
    found.setdefault(str(row[test.schema.label]), []).append(instance)
print(json.dumps(found))
"""


def need(*programs: str) -> None:
    """Skip where the programs are not installed; where CI promises them, fail."""
    missing = [name for name in programs if not shutil.which(name)]
    if missing and os.environ.get("REQUIRE_MONITORING"):
        pytest.fail(f"{', '.join(missing)}: not installed")
    if missing:
        pytest.skip(f"{', '.join(missing)}: not installed ({INSTALL})")


def scaled(files: Path) -> None:
    """Make the files' minutes short; nothing else about them is changed."""

    def short(match: re.Match[str]) -> str:
        return f"{max(1, round(int(match[1]) * SECONDS[match[2]] * 1000 / FASTER))}ms"

    for path in [*files.glob("prometheus/rules/*.yml"), files / "alertmanager/alertmanager.yml"]:
        path.write_text(DURATION.sub(short, path.read_text()))
    path = files / "prometheus/prometheus.yml"
    path.write_text(INTERVAL.sub(SCRAPE, path.read_text()))


class Webhook:
    """Keeps what Alertmanager sends."""

    def __init__(self, port: int) -> None:
        received: list[tuple[str, dict[str, Any]]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                alerts = json.loads(body)["alerts"]
                received.extend((self.path, alert) for alert in alerts)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None: ...

        self.received = received
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Programs:
    """The real programs, on the project's files, from `with` to its end."""

    def __init__(self, files: Path, folder: Path, ports: dict[str, int]) -> None:
        self._files, self._folder, self.ports = files, folder, ports
        self._processes: list[subprocess.Popen[bytes]] = []
        self.webhook = Webhook(ports["webhook"])

    def __enter__(self) -> Self:
        at = {name: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        self._start(
            "prometheus-pushgateway",
            f"--web.listen-address={at['pushgateway']}",
            "--persistence.file=",  # Debian's keeps what any was ever pushed
        )
        self._start(
            "prometheus-alertmanager",
            f"--config.file={self._files / 'alertmanager/alertmanager.yml'}",
            f"--storage.path={self._folder / 'alertmanager'}",
            f"--web.listen-address={at['alertmanager']}",
            "--cluster.listen-address=",
        )
        self._start(
            "prometheus",
            f"--config.file={self._files / 'prometheus/prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'prometheus'}",
            f"--web.listen-address={at['prometheus']}",
        )
        for name, path in (("prometheus", "/-/ready"), ("alertmanager", "/-/ready")):
            until(lambda at=at[name], path=path: get(f"http://{at}{path}")[0] == 200, name, 60)
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
        self.webhook.server.shutdown()

    def _start(self, *command: str) -> None:
        log = (self._folder / f"{command[0]}.log").open("wb")
        self._processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression has now. A mistake in it is an error."""
        text = urllib.parse.urlencode({"query": expression})
        status, body = get(f"http://127.0.0.1:{self.ports['prometheus']}/api/v1/query?{text}", 30)
        assert status == 200, f"{expression}\n{body}"
        return list(json.loads(body)["data"]["result"])

    def push(self, pipeline: str, metrics: dict[str, float], **labels: str) -> None:
        """What a pipeline pushes: its group is replaced."""
        lines = "".join(
            f"# TYPE {name.partition('{')[0]} gauge\n{name} {value}\n"
            for name, value in metrics.items()
        )
        labels = {"pipeline": pipeline, **labels}
        path = "".join(f"/{name}/{value}" for name, value in labels.items())
        url = f"http://127.0.0.1:{self.ports['pushgateway']}/metrics/job/pipelines{path}"
        request = urllib.request.Request(url, lines.encode(), method="PUT")
        urllib.request.urlopen(request, timeout=10).close()

    def alert(self, name: str, status: str, after: int = 0) -> dict[str, Any] | None:
        """The newest alert of that name, of those after so many, if its status is that one."""
        found = [a for _, a in self.webhook.received[after:] if a["labels"]["alertname"] == name]
        return found[-1] if found and found[-1]["status"] == status else None


class Clients:
    """Clients that ask all the time; which rows, and how they are changed, can be set."""

    def __init__(self, url: str, rows: dict[str, list[Any]], number: int = 8) -> None:
        self._url, self.rows = url, rows
        self.only: Any = None  # one row, again and again
        self.factor = 1.0  # of each number
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(first,), daemon=True)
            for first in range(number)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(10)

    def _run(self, first: int) -> None:
        for number in itertools.count(first):
            body = json.dumps({"instances": [self._row(number)]}).encode()
            with suppress(OSError):  # an error is what some tests want
                urllib.request.urlopen(self._url, body, timeout=10).close()
            if self._end.wait(PAUSE_SECONDS):
                return

    def _row(self, number: int) -> Any:
        label = sorted(self.rows)[number % len(self.rows)]
        row = self.only or self.rows[label][number % len(self.rows[label])]
        return {
            name: value * self.factor if isinstance(value, float | int) else value
            for name, value in row.items()
        }


def until(true: Any, what: str, seconds: float) -> Any:
    """What `true` returns, once it is something. An error that says `what` after so long."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return found


@dataclass(frozen=True)
class Watched:
    """A server with a trained model, clients that ask it, and what watches both."""

    project: Project
    clients: Clients
    programs: Programs

    def inject(self, fault: str) -> None:
        """Have the server do wrong ("errors", "latency"), or right again ("")."""
        (self.project.path / ".fault").write_text(fault)


@contextmanager
def watching(project: Project, folder: Path) -> Iterator[Watched]:
    """Server, clients, Prometheus, Alertmanager, Pushgateway and a webhook; minutes are thirds of a
    second (`scaled`)."""
    ports = {name: free_port() for name in ("prometheus", "alertmanager", "pushgateway", "webhook")}
    given = {
        "MLOPS_METRICS__PUSHGATEWAY": f"http://127.0.0.1:{ports['pushgateway']}",
        "MLOPS_SLO__LATENCY_SECONDS": str(LATENCY_SECONDS),
        "MLOPS_MONITOR__PROMETHEUS_PORT": str(ports["prometheus"]),
        "MLOPS_MONITOR__ALERTMANAGER_PORT": str(ports["alertmanager"]),
    }
    for name in ("PAGE", "TICKET", "HEARTBEAT"):
        given[f"MLOPS_MONITOR__WEBHOOKS__{name}"] = f"http://127.0.0.1:{ports['webhook']}/{name}"
    rows = json.loads(project.run_python("-c", ROWS))
    with project.serve() as server:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in given.items():
                patch.setenv(name, value)
            project.make("monitor", f"PORT={server.port}", "ARGS=--files")
        files = project.path / "build/monitoring/local"
        scaled(files)
        url = f"{server.url}/v1/models/{NAME}:predict"
        with Programs(files, folder, ports) as programs, Clients(url, rows) as clients:
            yield Watched(project, clients, programs)
