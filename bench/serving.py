"""The project's servers beside their peers: the same model, the same requests, the same run.

Every peer serves the model as its own documentation starts, in one process, with one thread for
ONNX Runtime. They are asked in turns, so that the machine's moods hit all alike.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import load

HERE = Path(__file__).resolve().parent
SERVERS = HERE / "servers"
CONNECTIONS = (1, 8, 64)
ROUNDS = 3
SECONDS = 2
PREDICT = "/v1/models/digits:predict"
INFER = "/v2/models/digits/infer"

IMAGE = [[(x * y) % 256 for x in range(28)] for y in range(28)]
ROWS = [
    {
        **{f"number{index}": index + row / 7 for index in range(6)},
        "count": row,
        "city": ["Ulm", "Mainz", "Köln"][row % 3],
    }
    for row in range(10)
]


def json_of(content: Any) -> bytes:
    return json.dumps(content).encode()


def image_v2() -> tuple[bytes, dict[str, str]]:
    pixels = bytes(value for line in IMAGE for value in line)
    tensor = {
        "name": "image",
        "datatype": "UINT8",
        "shape": [1, 28, 28],
        "parameters": {"binary_data_size": len(pixels)},
    }
    head = json_of({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    length = {"Inference-Header-Content-Length": str(len(head))}
    return head + pixels, {"Content-Type": "application/octet-stream", **length}


@dataclass(frozen=True)
class Payload:
    """What is asked. `model` is one of `write_model.py`'s."""

    name: str
    model: str


JSON_IMAGE = Payload("an image as JSON", "image")
BINARY_IMAGE = Payload("an image as V2 bytes", "image")
TABLE = Payload("10 rows as JSON", "table")
PAYLOADS = (JSON_IMAGE, BINARY_IMAGE, TABLE)


@dataclass(frozen=True)
class Peer:
    """A server: how it is started for a model and a port, and what it is sent."""

    name: str
    command: Callable[[str, int], list[object]]
    ready: str
    requests: dict[Payload, tuple[str, bytes, dict[str, str]]]
    environment: Callable[[str, int], dict[str, str]] = lambda model, port: {}


@dataclass(frozen=True)
class Figure:
    """Medians of the rounds for one peer, payload and number of connections."""

    peer: str
    payload: str
    connections: int
    rate: float  # answers a second
    p50: float  # milliseconds
    p99: float


@dataclass
class Result:
    """What was measured: figures, seconds to the first answer, and megabytes after the load."""

    figures: list[Figure] = field(default_factory=list)
    start: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)

    def rate(self, peer: str, payload: Payload, connections: int) -> float:
        [found] = [
            f.rate
            for f in self.figures
            if (f.peer, f.payload, f.connections) == (peer, payload.name, connections)
        ]
        return found


OURS = "lean server"
V1_JSON = {"Content-Type": "application/json"}
V1 = {
    JSON_IMAGE: (PREDICT, json_of({"instances": [IMAGE]}), V1_JSON),
    TABLE: (PREDICT, json_of({"instances": ROWS}), V1_JSON),
}
V1_AND_V2 = {**V1, BINARY_IMAGE: (INFER, *image_v2())}


def peers(
    python: Path, bento_python: Path, stores: Path, environments: Callable[[str], Path]
) -> list[Peer]:
    """The lean server first. `stores` holds a model store a model."""

    def onnx(model: str, port: int) -> dict[str, str]:
        path = str(stores / model / "1" / "model.onnx")
        quiet = {"BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true"}
        programs = f"{python.parent}{os.pathsep}{os.environ['PATH']}"  # mlflow looks for uvicorn
        return {"MODEL": path, "PORT": str(port), "PATH": programs, **quiet}

    def project(with_: Path) -> Callable[[str, int], list[object]]:
        server = SERVERS / "blueprint_server.py"
        return lambda model, port: [with_, server, "blueprint", stores / model, port]

    def script(environment: str) -> Callable[[str, int], list[object]]:
        name = SERVERS / f"{environment}_server.py"
        return lambda model, port: [environments(environment) / "python", name]

    def bento(model: str, port: int) -> list[object]:
        program = environments("bentoml") / "bentoml"
        return [program, "serve", "bentoml_service:Digits", "--port", port]

    def mlflow(model: str, port: int) -> list[object]:
        served = ["models", "serve", "--env-manager", "local", "--workers", "1"]
        where = ["-m", stores / model / "mlflow", "--port", port, "--host", "127.0.0.1"]
        return [python.parent / "mlflow", *served, *where]

    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    return [
        Peer(OURS, project(python), "/readyz", V1_AND_V2),
        Peer("BentoML, the project's", project(bento_python), "/readyz", V1_AND_V2, onnx),
        Peer("KServe ModelServer", script("kserve"), "/v1/models/digits", V1_AND_V2, onnx),
        Peer("FastAPI", script("fastapi"), "/healthz", V1, onnx),
        Peer(
            "BentoML, plain",
            bento,
            "/readyz",
            {
                JSON_IMAGE: ("/image", json_of({"instances": [IMAGE]}), V1_JSON),
                TABLE: ("/table", json_of({"instances": ROWS}), V1_JSON),
            },
            onnx,
        ),
        Peer(
            "mlflow models serve",
            mlflow,
            "/ping",
            {
                JSON_IMAGE: ("/invocations", json_of({"inputs": {"image": [IMAGE]}}), V1_JSON),
                TABLE: ("/invocations", json_of({"inputs": columns}), V1_JSON),
            },
            onnx,
        ),
    ]


def measure(everyone: list[Peer], serve: Callable[..., Any], say: Callable[[str], None]) -> Result:
    """Ask all peers in turns. `serve(command, port, ready, environment)` starts one."""
    result = Result()
    starts: dict[str, list[float]] = {peer.name: [] for peer in everyone}
    for model in dict.fromkeys(payload.model for payload in PAYLOADS):
        with ExitStack() as stack:
            running = {}
            for peer in everyone:
                port = load.free_port()
                begin = time.perf_counter()
                process = stack.enter_context(
                    serve(
                        peer.command(model, port), port, peer.ready, peer.environment(model, port)
                    )
                )
                starts[peer.name].append(time.perf_counter() - begin)
                running[peer.name] = (port, process.pid)
            for payload in (each for each in PAYLOADS if each.model == model):
                asked = {
                    peer.name: load.Target(running[peer.name][0], *peer.requests[payload])
                    for peer in everyone
                    if payload in peer.requests
                }
                for connections in CONNECTIONS:
                    result.figures += _rounds(asked, payload, connections, say)
            for peer in everyone:
                result.memory[peer.name] = memory(running[peer.name][1])
    result.start = {name: statistics.median(seconds) for name, seconds in starts.items()}
    return result


def _rounds(
    asked: dict[str, load.Target], payload: Payload, connections: int, say: Callable[[str], None]
) -> list[Figure]:
    found: dict[str, list[load.Load]] = {name: [] for name in asked}
    for target in asked.values():
        load.wrk(target, 1, connections)
    for _ in range(ROUNDS):
        for name, target in asked.items():
            found[name].append(load.wrk(target, SECONDS, connections))
    figures = [
        Figure(
            name,
            payload.name,
            connections,
            statistics.median(each.rate for each in rounds),
            statistics.median(each.p50 for each in rounds) * 1000,
            statistics.median(each.p99 for each in rounds) * 1000,
        )
        for name, rounds in found.items()
    ]
    rates = ", ".join(f"{each.peer} {each.rate:,.0f}" for each in figures)
    say(f"{payload.name}, {connections} connections, answers a second: {rates}")
    return figures


def memory(pid: int) -> float:
    """The megabytes of a process and all that it started; shared pages are divided (PSS)."""
    kilobytes = 0
    for process in tree(pid):
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        kilobytes += next(int(line.split()[1]) for line in rollup.splitlines() if "Pss:" in line)
    return kilobytes / 1024


def tree(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from tree(int(child))


@contextmanager
def _noted(path: Path) -> Iterator[list[str]]:
    lines: list[str] = []
    yield lines
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def machine() -> str:
    """What this was measured on, for people."""
    model = next(
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, Linux"


def write_page(result: Result, path: Path, versions: dict[str, str]) -> None:
    """The documentation's page, from the figures."""
    names = list(dict.fromkeys(each.peer for each in result.figures))
    cells = {(f.peer, f.payload, f.connections): f for f in result.figures}
    with _noted(path) as lines:
        lines += [
            "# How fast the servers are",
            "",
            "Written by `nox -s bench -- throughput`: the same model behind each server, one",
            "process, asked in turns by wrk on the same machine. An image has 28×28 pixels and its",
            "model a hidden layer of 128; a row has eight columns, one of them text.",
            "",
            f"Machine: {machine()}; the load generator shares it. {time.strftime('%Y-%m-%d')}.",
            "Versions: "
            + ", ".join(f"{name} {version}" for name, version in versions.items())
            + ".",
        ]
        for payload in PAYLOADS:
            lines += ["", f"## {payload.name[0].upper()}{payload.name[1:]}", ""]
            head = [f"{n} connection{'s' * (n > 1)}" for n in CONNECTIONS]
            lines.append(f"| requests a second (p50 / p99 in ms) | {' | '.join(head)} |")
            lines.append("|---|" + "---:|" * len(CONNECTIONS))
            for name in names:
                found = [cells.get((name, payload.name, n)) for n in CONNECTIONS]
                if not any(found):
                    continue
                text = [f"{f.rate:,.0f} ({f.p50:.1f} / {f.p99:.1f})" if f else "–" for f in found]
                lines.append(f"| {name} | {' | '.join(text)} |")
        lines += ["", "## Start and memory", "", "| | start, s | memory, MB |", "|---|---:|---:|"]
        for name in names:
            lines.append(f"| {name} | {result.start[name]:.1f} | {result.memory[name]:.0f} |")
        lines += [
            "",
            "Start is from the command to the first 200 on the readiness path; memory is that of",
            "all its processes after the load, shared pages divided among them. A peer without a",
            "line has no such protocol.",
        ]


def save(result: Result, path: Path) -> None:
    """The figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine(), **asdict(result)}
    path.write_text(json.dumps(content, indent=2) + "\n")
