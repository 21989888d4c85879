"""Requests at full speed and at a given rate.

`throughput` uses wrk where it is installed, because it leaves the server most of the machine, and
a small client otherwise; `latencies` is always the small client, a process for each connection.
"""

import json
import multiprocessing
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 8
PROCESSES = 4
GENERATOR = "wrk" if shutil.which("wrk") else "a Python client"


class LoadError(Exception):
    """A server that did not answer as it should."""


@dataclass(frozen=True)
class Target:
    """What to post, and where on this machine."""

    port: int
    path: str
    body: bytes

    @property
    def request(self) -> bytes:
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


def throughput(target: Target, seconds: float) -> float:
    """Answered requests a second, at most `CONNECTIONS` at once."""
    if GENERATOR != "wrk":
        return len(_all(target, seconds, None)) / seconds
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        script.write_text(
            f'wrk.method = "POST"\nwrk.body = {json.dumps(target.body.decode())}\n'
            'wrk.headers["Content-Type"] = "application/json"\n'
        )
        url = f"http://127.0.0.1:{target.port}{target.path}"
        options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", str(script)]
        printed = subprocess.run(
            ["wrk", *options, url], capture_output=True, text=True, check=True
        ).stdout
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise LoadError(f"port {target.port}: {printed}")
    return float(printed.split("Requests/sec:")[1].split()[0])


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
