"""Measures each target of the design against its reference, in the same run.

`nox -s bench` runs every row, `nox -s bench -- render latency` those named (also by a prefix).
Prints a table and keeps the newest result of each row in build/bench.json.
"""

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import load
import serving

from support import cluster, engine, rendering
from support.project import Project, environment, free_port, get, stop

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = ROOT / "build"
PACKAGE = "blueprint"
V2 = ("-d", "platform=kubeflow", "-d", "serving_extras=v2")  # pictures as bytes are asked for too
CLUSTER = (
    "-d",
    "task=tabular-classification",
    "-d",
    "framework=sklearn",
    "-d",
    "platform=kubeflow",
)
LAX = "gate.champion.margin=0.9 gate.floors.accuracy=0.1"
BUILD_SERVING = """
import sys
from blueprint import settings
from blueprint.targets import images
built = images.build(settings.load(), sys.argv[2].split(), ["serving"])["serving"]
if sys.argv[1]:
    images.remember({"serving": images.push_one(images.find_engine(), built, sys.argv[1])})
print(built.reference)
"""
STEPS = 5
REFERENCE = ROOT / "docs" / "reference"
PAGE = REFERENCE / "serving-speed.md"


@dataclass(frozen=True)
class Row:
    """One line of the table. `ratio` is value / reference_value; `bar` says what makes it `ok`."""

    name: str
    value: float
    unit: str
    reference: str
    reference_value: float
    ratio: float
    bar: str
    ok: bool


class Bench:
    """What several rows use: made when it is first asked for, and removed at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def template(self) -> Path:
        directory = self.folder / "template"
        directory.mkdir()
        return rendering.snapshot(directory)

    def empty_template(self, files: int) -> Path:
        """The least that Copier can render: no question, and empty files."""
        directory = self.folder / f"empty-{files}"
        (directory / "template").mkdir(parents=True)
        (directory / "copier.yml").write_text("_subdirectory: template\n")
        for index in range(files):
            (directory / "template" / f"{index}.txt").touch()
        rendering.git(directory, "init", "-q", "-b", "main")
        rendering.commit(directory, "Empty")
        rendering.git(directory, "tag", rendering.TAG)
        return directory

    @cached_property
    def project(self) -> Project:
        """The default project with V2 and bulk scoring beside it, set up."""
        say("set up the default project")
        project = Project(self.folder / "project")
        copy(self.template, project.path, *V2, "-d", "batch_scoring=true")
        project.make("setup")
        return project

    @property
    def python(self) -> Path:
        return self.project.path / ".venv" / "bin" / "python"

    @contextmanager
    def server(self) -> Iterator[load.Target]:
        """The project's server with the model of images, warm, and what to ask it."""
        port = free_port()
        script = HERE / "servers" / "blueprint_server.py"
        command = [self.python, script, "blueprint", self.stores / "image", port]
        with serve(self, command, port, "/readyz", {}):
            target = load.Target(port, *serving.V1[serving.JSON_IMAGE])
            load.wrk(target, 1, 8)
            yield target

    def fresh(self) -> Path:
        """A folder with the project's configuration, in which nothing has run."""
        directory = Path(tempfile.mkdtemp(dir=self.folder))
        shutil.copytree(self.project.path / "config", directory / "config")
        return directory

    @cached_property
    def bento_project(self) -> Project:
        """The same with BentoML as its runtime, set up."""
        say("set up a project with BentoML")
        project = Project(self.folder / "bento")
        copy(
            self.template,
            project.path,
            *V2,
            *("-d", "serving_runtime=bentoml", "-d", "framework=sklearn"),
        )
        project.make("setup")
        return project

    @cached_property
    def cluster_project(self) -> Project:
        """A project that a cluster serves, set up."""
        return self.for_cluster("kubernetes")

    def for_cluster(self, serving_platform: str) -> Project:
        """A project for Kubeflow whose model is served there, or nowhere; set up and committed."""
        say(f"set up a project with serving_platform={serving_platform}")
        project = Project(self.folder / serving_platform)
        copy(self.template, project.path, *CLUSTER, "-d", f"serving_platform={serving_platform}")
        project.make("setup")
        rendering.git(project.path, "init", "-q", "-b", "main")
        rendering.commit(project.path, "The project")
        return project

    @cached_property
    def stores(self) -> Path:
        """A model store for each model of `write_model.py`."""
        folder = self.folder / "stores"
        check([str(self.python), str(HERE / "servers" / "write_model.py"), str(folder)])
        return folder


def render(bench: Bench) -> list[Row]:
    """`copier copy` of this template, of an empty one, and of one with as many empty files."""
    files = len(rendering.files(copy(bench.template, bench.folder / "sample")))
    templates = [bench.template, bench.empty_template(1), bench.empty_template(files)]

    def action(template: Path) -> Callable[[int], object]:
        return lambda index: copy(template, bench.folder / "copies" / f"{template.name}-{index}")

    ours, empty, same = interleaved(7, *map(action, templates))
    return [
        row("render", ours, "s", "an empty Copier template", empty, at_most=1.25),
        # Where the time goes: Copier itself takes milliseconds a file.
        row("render-files", ours, "s", f"{files} empty files", same, at_most=1.25),
    ]


def first_prediction(bench: Bench) -> list[Row]:
    """From `copier copy` to the first answer, with filled package caches."""
    project = Project(bench.folder / "first")
    template = bench.template
    begin = time.perf_counter()

    def done(stage: str) -> None:
        say(f"{stage}: after {time.perf_counter() - begin:.1f} s")

    copy(template, project.path)
    done("copier copy")
    for target in ("setup", "run"):
        project.make(target)
        done(f"make {target}")
    with project.serve() as server:
        done("make serve")
        project.make("predict", f"PORT={server.port}")
        seconds = time.perf_counter() - begin
        done("make predict")
    # Measured once, elsewhere: what the design compares with.
    return [
        row("first-prediction", seconds, "s", "ZenML's template (noted)", 105, value_at_most=45)
    ]


def orchestration(bench: Bench) -> list[Row]:
    """`make run` and the same functions in one process, both from nothing."""
    python = str(bench.python)

    def call(*command: str) -> None:
        check([python, *command], bench.fresh())

    run, functions = interleaved(
        3,
        lambda _: call("-m", f"{PACKAGE}.cli", "run"),
        lambda _: call(str(HERE / "one_process.py"), PACKAGE),
    )
    overhead = (run - functions) / STEPS
    say(f"make run {run:.1f} s, in one process {functions:.1f} s")
    reference = f"{functions:.1f} s in one process; a step"
    return [row("orchestration", overhead, "s", reference, functions / STEPS, value_at_most=2)]


def throughput(bench: Bench) -> list[Row]:
    """The lean server and its peers: answers a second by payload and connections, one process."""
    bento = bench.bento_project.path / ".venv" / "bin" / "python"
    everyone = serving.peers(bench.python, bento, bench.stores, virtual_environment)
    result = serving.measure(everyone, partial(serve, bench), say)
    serving.save(result, BUILD / "serving.json")
    serving.write_page(result, PAGE, versions(bench.python))

    def rate(peer: str, payload: serving.Payload, connections: int = 8) -> float:
        return result.rate(peer, payload, connections)

    ours = rate(serving.OURS, serving.JSON_IMAGE)
    rows = []
    for name, peer, bar in [
        ("throughput-bentoml", "BentoML, plain", 5),
        ("throughput-kserve", "KServe ModelServer", 1.3),
    ]:
        other = rate(peer, serving.JSON_IMAGE)
        rows.append(row(name, ours, "req/s", peer, other, at_least=bar))
    for payload in serving.PAYLOADS:
        for connections in serving.CONNECTIONS:
            rates = {
                peer.name: rate(peer.name, payload, connections)
                for peer in everyone
                if payload in peer.requests
            }
            ours = rates.pop(serving.OURS)
            best = max(rates, key=rates.__getitem__)
            name = f"throughput {payload.name}, {connections}"
            rows.append(row(name, ours, "req/s", best, rates[best], at_least=1))
    return rows


def latency(bench: Bench) -> list[Row]:
    """The 99th percentile at half of the full load, against the median."""
    with bench.server() as target:
        half = load.wrk(target, 3, 8).rate / 2
        rounds = [load.latencies(target, half, 3) for _ in range(5)]
    tails = ", ".join(f"{load.percentile(r, 99) * 1000:.1f} ms" for r in rounds)
    say(f"p99 at {half:.0f} req/s: {tails}")
    p50, p99 = (statistics.median(load.percentile(r, n) for r in rounds) for n in (50, 99))
    return [row("latency", p99 * 1000, "ms", "its own p50", p50 * 1000, at_most=2)]


def observed(bench: Bench) -> list[Row]:
    """What the metrics of `observability` add to a request: CPU time, without a socket."""
    say("set up a project with observability")
    project = Project(bench.folder / "observed")
    copy(bench.template, project.path, *CLUSTER[:4], "-d", "observability=true")
    project.make("setup")
    python = str(project.path / ".venv" / "bin" / "python")
    found = json.loads(check([python, str(HERE / "observed.py"), PACKAGE], project.path))
    more = found["with"] - found["without"]
    reference = "a request that nobody is told of"
    return [row("observed", more, "µs", reference, found["without"], value_at_most=5)]


def soak(bench: Bench) -> list[Row]:
    """A minute at half of the full load while another version is deployed every 5 s."""
    home = bench.stores / "image" / "digits"
    pointer = json.loads((home / "current.json").read_text())
    one, two = (home / f"{version}-{pointer['sha256'][:12]}" for version in "12")
    shutil.copytree(one, two, dirs_exist_ok=True)
    done = threading.Event()

    def swap() -> None:
        for version in itertools.cycle("21"):
            if done.wait(5):
                return
            new = home / "new.json"
            new.write_text(json.dumps(pointer | {"version": version}))
            new.replace(home / "current.json")

    with bench.server() as target:
        half = load.wrk(target, 3, 8).rate / 2
        swapping = threading.Thread(target=swap)
        swapping.start()
        try:
            answers = load.latencies(target, half, 60)  # raises when one is not a 200
        finally:
            done.set()
            swapping.join()
    say(f"{len(answers):,} answers, p99 {load.percentile(answers, 99) * 1000:.1f} ms, all 200")
    due = half * 60
    return [row("soak", len(answers), "answers", "were due", due, at_least=0.98)]


def scale(bench: Bench) -> list[Row]:
    """Loading and evaluating 0.1, 1 and 10 million rows of a table: seconds and peak memory."""
    peaks = {}
    for rows in (100_000, 1_000_000, 10_000_000):
        with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
            script = [str(bench.python), str(HERE / "scale.py")]
            check([*script, "write", folder, str(rows)], bench.folder)
            found = json.loads(check([*script, "measure", folder, PACKAGE], bench.folder))
        peaks[rows] = found["peak"]
        say(
            f"{rows:,} rows: load {found['load']:.1f} s with {found['load_peak']:.2f} GB, "
            f"evaluate {found['evaluate']:.1f} s with {found['peak']:.2f} GB"
        )
    small, medium, large = peaks.values()
    return [
        row("scale", large, "GB", "0.1 M rows instead of 10 M", small, value_at_most=2),
        row("scale-flat", large, "GB", "1 M rows instead of 10 M", medium, at_most=1.25),
    ]


def batch(bench: Bench) -> list[Row]:
    """Scoring a table in bulk, and a loop of PyArrow, pandas and ONNX Runtime; peak memory."""
    script = [str(bench.python), str(HERE / "batch.py")]
    rates: dict[str, list[float]] = {"ours": [], "pandas": []}
    peaks = {}
    for rows in (500_000, 5_000_000):
        with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
            check([*script, "write", folder, str(rows), PACKAGE], bench.folder)
            for _ in range(3 if rows == 500_000 else 1):
                for name, found in rates.items():
                    done = json.loads(check([*script, name, folder, PACKAGE], bench.folder))
                    if rows == 500_000:
                        found.append(done["rows"] / done["seconds"])
                    if name == "ours":
                        peaks[rows] = done["peak"]
                    say(f"{name}: {rows:,} rows in {done['seconds']:.1f} s, {done['peak']:.2f} GB")
    ours, pandas = (statistics.median(found) for found in rates.values())
    small, large = peaks.values()
    return [
        row("batch", ours, "rows/s", "a loop with pandas", pandas, at_least=1),
        row("batch-flat", large, "GB", "0.5 M rows instead of 5 M", small, value_at_most=1),
    ]


def drift(bench: Bench) -> list[Row]:
    """Windows without drift that are reported, those with a planted shift, and one of 1 M rows:
    its CPU time, which is what it takes where nothing else runs."""
    say("set up a project with drift_monitoring")
    project = Project(bench.folder / "drift")
    answers = ("task=tabular-classification", "framework=sklearn", "drift_monitoring=true")
    copy(bench.template, project.path, *(each for answer in answers for each in ("-d", answer)))
    project.make("setup", ".venv/monitoring")
    script = [str(project.path / ".venv/bin/python"), str(HERE / "drift.py")]

    def work(what: str, repeats: int) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(check([*script, what, str(repeats)], project.path))
        say(f"{what}: {found}")
        return found

    work("same", 1)
    alarms, shifts = work("alarms", 200), work("shifts", 200)
    false = max(each["drifted"] / each["windows"] for each in alarms.values())
    seen = min(each["drifted"] / each["windows"] for each in shifts.values())
    large = work("window", 1)
    return [
        row("drift-alarms", 100 * false, "%", "a planted shift", 100 * seen, value_at_most=5),
        row("drift-shifts", 100 * seen, "%", "all of them", 100, at_least=0.95),
        row("drift-window", large["cpu"], "s of CPU", "the bar", 20, value_at_most=20),
        row("drift-memory", large["peak"], "GB", "the bar", 2, value_at_most=2),
    ]


def fetch_start(bench: Bench) -> list[Row]:
    """The program that fetches a pod's model, until it could ask for it; and an empty Python."""
    path = bench.cluster_project.path
    python = str(path / ".venv" / "bin" / "python")
    fetch = "import blueprint.serving.fetch.__main__, blueprint.serving.fetch.objects"
    ours, empty = interleaved(
        7,
        lambda _: check([python, "-c", fetch], path),
        lambda _: check([python, "-c", "pass"], path),
    )
    return [row("fetch-start", ours, "s", "an empty Python", empty, value_at_most=0.5)]


def fetch_size(bench: Bench) -> list[Row]:
    """The serving image of a project that a cluster serves, and of one without what fetches."""
    if reason := engine.unusable():
        return not_measured(reason)
    sizes = []
    for project in (bench.cluster_project, bench.for_cluster("none")):
        image = build_serving(project)
        sizes.append(engine.inspect(image)["Size"] / 1e6)
        say(f"{image}: {sizes[-1]:.1f} MB")
    ours, without = sizes
    return [row("fetch-size", ours - without, "MB", "all the rest", without, value_at_most=20)]


def deploy(bench: Bench) -> list[Row]:
    """`make deploy` of another version until it answers; Kubernetes' own rollout of the same pods.

    On the cluster of KUBECONFIG, with a registry and an MLflow server on this machine.
    """
    if reason := cluster.unusable() or engine.unusable():
        return not_measured(reason)
    project, port = bench.cluster_project, free_port()
    folder = bench.folder / "deploy"
    folder.mkdir()
    command = ["uv", "run", "--quiet", "--no-sync", "--project", project.path, "--with"]
    command += ["mlflow~=3.17", "mlflow", "server", "--host", "0.0.0.0", "--port", port]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", 1]
    command += ["--artifacts-destination", folder / "artifacts", "--allowed-hosts", "*"]
    with (
        serve(bench, command, port, "/health", {}),
        cluster.registry(folder) as registry,
        cluster.namespace("bench") as namespace,
    ):
        tracking = f"http://{cluster.host()}:{port}"
        configuration = {
            "registry": {"tracking_uri": tracking},
            "deploy": {"context": cluster.context(), "namespace": namespace},
        }
        staging = project.path / "config" / "staging.yaml"
        staging.write_text(json.dumps(configuration))  # JSON is YAML
        for seed in (31, 32):
            at = f"registry.tracking_uri={tracking} registry.artifact_location=null"
            project.make("run", f"ARGS={at} train.seed={seed} {LAX}")
        say("two versions in MLflow")
        build_serving(project, registry)
        project.make("deploy", "ENV=staging", "VERSION=1")
        say("version 1 answers")
        pods = (f"--namespace={namespace}", "deployment/digit-recognition")

        def rollout(_: int) -> None:
            cluster.kubectl("rollout", "restart", *pods)
            cluster.kubectl("rollout", "status", *pods)

        ours, plain = interleaved(
            3,
            lambda index: project.make("deploy", "ENV=staging", f"VERSION={2 - index % 2}"),
            rollout,
        )
    return [row("deploy", ours, "s", "kubectl rollout", plain, value_at_most=25)]


ROWS: list[Callable[[Bench], list[Row]]] = [
    render,
    first_prediction,
    orchestration,
    throughput,
    latency,
    observed,
    soak,
    scale,
    batch,
    drift,
    fetch_start,
    fetch_size,
    deploy,
]


def not_measured(reason: str) -> list[Row]:
    """No row, and why."""
    say(f"not measured: {reason}")
    return []


def build_serving(project: Project, registry: str = "") -> str:
    """The serving image of a project, pushed to a registry if one is named; its reference."""
    arguments = engine.build_arguments(project.path)
    return project.run_python("-c", BUILD_SERVING, registry, arguments).splitlines()[-1]


def versions(python: Path) -> dict[str, str]:
    """Of what the servers are made of."""
    wanted = [(python, ["onnxruntime", "starlette", "uvicorn", "mlflow"])]
    wanted += [
        (virtual_environment(name) / "python", [name]) for name in ("bentoml", "kserve", "fastapi")
    ]
    code = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
    found: dict[str, str] = {}
    for program, names in wanted:
        printed = check([str(program), "-c", code, *names]).split()
        found |= dict(zip(names, printed, strict=True))
    return found


@contextmanager
def serve(
    bench: Bench, command: list[object], port: int, path: str, variables: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """A server process from the moment `path` answers 200; it is gone at the end."""
    log = bench.folder / f"server-{port}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=HERE / "servers",
            env={**environment(), **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
    try:
        deadline = time.monotonic() + 90
        while get(f"http://127.0.0.1:{port}{path}")[0] != 200:
            if process.poll() is not None or time.monotonic() > deadline:
                raise load.LoadError(f"{command[0]}: not ready\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield process
    finally:
        stop(process)


def virtual_environment(name: str) -> Path:
    """The programs of the reference's environment, which is kept in build/."""
    requirements = HERE / f"requirements-{name}.txt"
    directory = BUILD / "bench" / name
    marker = directory / requirements.name
    if not marker.exists() or marker.read_text() != requirements.read_text():
        say(f"install {name}, the reference")
        check(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(directory)])
        python = str(directory / "bin" / "python")
        check(["uv", "pip", "install", "--quiet", "--python", python, "-r", str(requirements)])
        shutil.copy(requirements, marker)
    return directory / "bin"


def copy(template: Path, project: Path, *options: str) -> Path:
    command = ["copier", "copy", "--defaults", "--quiet", "--vcs-ref", rendering.TAG, *options]
    check([*command, str(template), str(project)])
    return project


def check(command: list[str], folder: Path | None = None) -> str:
    """Run a command and return what it prints, which is shown only if it fails."""
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(
            f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        )
    return done.stdout


def interleaved(rounds: int, *actions: Callable[[int], object]) -> list[float]:
    """Median seconds of each, taken in turns so that the machine's moods hit all alike."""
    times: list[list[float]] = [[] for _ in actions]
    for index in range(rounds):
        for action, seconds in zip(actions, times, strict=True):
            begin = time.perf_counter()
            action(index)
            seconds.append(time.perf_counter() - begin)
        latest = ", ".join(f"{seconds[-1]:.2f} s" for seconds in times)
        say(f"round {index + 1} of {rounds}: {latest}")
    return [statistics.median(seconds) for seconds in times]


def row(
    name: str,
    value: float,
    unit: str,
    reference: str,
    reference_value: float,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    value_at_most: float | None = None,
) -> Row:
    """A row with its verdict: one bound, on the ratio or on the value itself."""
    ratio = value / reference_value
    if at_most is not None:
        bar, ok = f"ratio ≤ {at_most:g}", ratio <= at_most
    elif at_least is not None:
        bar, ok = f"ratio ≥ {at_least:g}", ratio >= at_least
    else:
        assert value_at_most is not None
        bar, ok = f"≤ {value_at_most:g} {unit}", value <= value_at_most
    numbers = (round(number, 4) for number in (value, reference_value, ratio))
    value, reference_value, ratio = numbers
    return Row(name, value, unit, reference, reference_value, ratio, bar, ok)


def table(rows: list[Row]) -> str:
    lines = [("what", "value", "reference", "value", "ratio", "bar", "")]
    for each in rows:
        lines.append(
            (
                each.name,
                f"{each.value:,.2f} {each.unit}",
                each.reference,
                f"{each.reference_value:,.2f} {each.unit}",
                f"{each.ratio:.2f}",
                each.bar,
                "ok" if each.ok else "MISSED",
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return "\n".join([aligned[0], "─" * max(map(len, aligned)), *aligned[1:]])


def save(rows: list[Row]) -> Path:
    """Write build/bench.json and the documentation's page; rows not measured stay as they were."""
    path = BUILD / "bench.json"
    path.parent.mkdir(exist_ok=True)
    old = json.loads(path.read_text()) if path.exists() else []
    merged = {each["name"]: each for each in [*old, *map(asdict, rows)]}
    path.write_text(json.dumps(list(merged.values()), indent=2, ensure_ascii=False) + "\n")
    write_page([Row(**each) for each in merged.values()])
    return path


def write_page(rows: list[Row]) -> None:
    """What was measured, as a table of the documentation."""
    lines = [
        "# Targets and what was measured",
        "",
        "Written by `nox -s bench`: each row against its reference in the same run, the newest.",
        "The servers in detail: [serving-speed.md](serving-speed.md).",
        "",
        f"Machine: {serving.machine()}. {time.strftime('%Y-%m-%d')}.",
        "",
        "| what | measured | reference | ratio | bar | |",
        "|---|---:|---|---:|---|---|",
    ]
    for each in rows:
        reference = f"{each.reference}: {each.reference_value:,.2f} {each.unit}"
        verdict = "" if each.ok else "**missed**"
        lines.append(
            f"| {each.name} | {each.value:,.2f} {each.unit} | {reference} | {each.ratio:.2f} "
            f"| {each.bar} | {verdict} |"
        )
    (REFERENCE / "bench.md").write_text("\n".join(lines) + "\n")


def say(text: str) -> None:
    print(f"  {text}", flush=True)


def main() -> int:
    names = [function.__name__.replace("_", "-") for function in ROWS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all")
    wanted = parser.parse_args().rows
    for name in wanted:
        if not any(known.startswith(name) for known in names):
            parser.error(f"no row {name!r}: there are {', '.join(names)}")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "home"
        home.mkdir()
        rendering.isolate_git_and_copier(home)
        bench = Bench(Path(folder))
        for name, function in zip(names, ROWS, strict=True):
            if not wanted or any(name.startswith(prefix) for prefix in wanted):
                print(f"{name}: {function.__doc__}", flush=True)
                rows += function(bench)
    print(
        f"\n{os.cpu_count()} cores\n{table(rows)}\n{save(rows).relative_to(ROOT)} has the numbers"
    )
    return 0 if all(each.ok for each in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
