"""The programs of the demonstration: the project's own server, its commands, and Prometheus."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ....errors import UserError

CLI = [sys.executable, "-m", "blueprint.cli"]
START_SECONDS = 60
SCRAPE = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - {{job_name: server, static_configs: [{{targets: ["127.0.0.1:{server}"]}}]}}
  - {{job_name: drift, static_configs: [{{targets: ["127.0.0.1:{drift}"]}}]}}
"""
RULES = """
groups:
  - name: drift
    rules:
      - alert: Drift
        expr: drift_detected == 1
        annotations: {summary: "version {{ $labels.version }} of {{ $labels.model }} drifted"}
"""


def command(*arguments: str) -> None:
    """Run a command of this project here; its output is for people to see."""
    if subprocess.run([*CLI, *arguments], check=False).returncode:
        raise UserError(f"`{arguments[0]}` failed in {Path.cwd()}, as it says above")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(port: int) -> Iterator[str]:
    """The project's server on this port, for a `with` block; yields its address."""
    url = f"http://127.0.0.1:{port}"
    with _program([*CLI, "serve", "--port", str(port)], "server.log", f"{url}/readyz"):
        yield url


@contextmanager
def prometheus(server_port: int, drift_port: int) -> Iterator[str | None]:
    """Prometheus, which scrapes both ports each second; None where it is not installed."""
    program = shutil.which("prometheus")
    if program is None:
        yield None
        return
    Path("rules.yml").write_text(RULES)
    Path("prometheus.yml").write_text(SCRAPE.format(server=server_port, drift=drift_port))
    url = f"http://127.0.0.1:{(port := free_port())}"
    options = [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.path=prometheus"]
    with _program(
        [program, "--config.file=prometheus.yml", *options], "prometheus.log", f"{url}/-/ready"
    ):
        yield url


def ask(url: str, body: Any = None, request_id: str = "") -> Any:
    """The JSON that a GET, or a POST of `body`, is answered with."""
    headers = {"Content-Type": "application/json"}
    headers |= {"X-Request-Id": request_id} if request_id else {}
    data = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(url, data, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise UserError(f"{url} answered {error.code}: {error.read()[:300]!r}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{url} does not answer: {error}") from None


def query(prometheus_url: str, expression: str) -> list[tuple[dict[str, str], float]]:
    """What an expression of PromQL is now: labels and value of each series."""
    text = urllib.parse.urlencode({"query": expression})
    found = ask(f"{prometheus_url}/api/v1/query?{text}")["data"]["result"]
    return [(each["metric"], float(each["value"][1])) for each in found]


@contextmanager
def _program(arguments: Sequence[str], log: str, ready: str) -> Iterator[None]:
    """A program that ends with the `with` block; it has a minute to be ready."""
    with Path(log).open("w") as out:
        process = subprocess.Popen(
            arguments, stdout=out, stderr=out, env=os.environ, start_new_session=True
        )
    try:
        end = time.monotonic() + START_SECONDS
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > end:
                text = Path(log).read_text().strip().splitlines()[-1:] or ["it says nothing"]
                raise UserError(f"{log.removesuffix('.log')} did not start: {text[0][:300]}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
