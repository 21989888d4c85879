"""Requests at full speed, by wrk, and at a given rate, by a process for each connection."""

import json
import multiprocessing
import re
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.project import free_port

__all__ = ["Load", "LoadError", "Target", "free_port", "latencies", "percentile", "wrk"]

PROCESSES = 4
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


class LoadError(Exception):
    """A server that did not answer as it should."""


@dataclass(frozen=True)
class Target:
    """What to post, and where on this machine."""

    port: int
    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})

    @property
    def request(self) -> bytes:
        lines = [
            f"POST {self.path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            f"Content-Length: {len(self.body)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass(frozen=True)
class Load:
    """Answers a second, and the seconds that half and 99 % of the answers took at most."""

    rate: float
    p50: float
    p99: float


def wrk(target: Target, seconds: int, connections: int) -> Load:
    """As many requests as the server answers, `connections` at once. Raises LoadError."""
    with tempfile.TemporaryDirectory() as folder:
        body, script = Path(folder) / "body", Path(folder) / "post.lua"
        body.write_bytes(target.body)
        script.write_text(
            f'wrk.method = "POST"\nlocal file = io.open({json.dumps(str(body))}, "rb")\n'
            'wrk.body = file:read("*a")\nfile:close()\n'
            + "".join(
                f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}\n"
                for name, value in target.headers.items()
            )
        )
        url = f"http://127.0.0.1:{target.port}{target.path}"
        options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
        try:
            printed = subprocess.run(
                ["wrk", *options, url], capture_output=True, text=True, check=True
            ).stdout
        except FileNotFoundError:
            raise SystemExit("wrk is missing: `apt install wrk` or `brew install wrk`") from None
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise LoadError(f"port {target.port}{target.path}: {printed}")
    rate = float(printed.split("Requests/sec:")[1].split()[0])
    return Load(rate, _time(printed, "50%"), _time(printed, "99%"))


def _time(printed: str, share: str) -> float:
    found = re.search(rf"^\s+{share}\s+([\d.]+)(us|ms|s)$", printed, re.MULTILINE)
    assert found, printed
    return float(found[1]) * UNITS[found[2]]


def latencies(target: Target, rate: float, seconds: float) -> list[float]:
    """Seconds to each answer, `rate` requests a second, evenly spaced.

    A request that had to wait for its turn counts from the moment it was due.
    """
    return _all(target, seconds, rate)


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def _all(target: Target, seconds: float, rate: float | None) -> list[float]:
    every = PROCESSES / rate if rate else 0.0
    begin = time.perf_counter() + 0.5
    work = [
        (target, begin + index * every / PROCESSES, begin + seconds, every)
        for index in range(PROCESSES)
    ]
    with multiprocessing.Pool(PROCESSES) as pool:
        return [value for values in pool.starmap(_client, work) for value in values]


def _client(target: Target, begin: float, end: float, every: float) -> list[float]:
    """One connection: requests from `begin` to `end`, one in `every` seconds, 0 is at once."""
    return list(_answers(target, begin, end, every))


def _answers(target: Target, begin: float, end: float, every: float) -> Iterator[float]:
    request = target.request
    with socket.create_connection(("127.0.0.1", target.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        due, free = begin, 0.0
        while due < end:
            time.sleep(max(0.0, due - time.perf_counter()))
            start = due if free > due else time.perf_counter()
            connection.sendall(request)
            _read_answer(connection)
            free = time.perf_counter()
            yield free - start
            due = due + every if every else free


def _read_answer(connection: socket.socket) -> None:
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _some(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise LoadError(head.decode(errors="replace"))
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    read = len(body)
    while read < length:
        read += len(_some(connection))


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise LoadError("the server closed the connection")
    return data
