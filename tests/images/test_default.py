"""The default project's images: what is in them, what runs in them, and what a change costs."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from support import engine
from support.engine import RESTRICTED, docker
from support.project import environment, get
from support.rendering import git
from support.runs import STEPS, lines_of, refused

KINDS = ("pipeline", "serving")
# Megabytes that an image may have.
BARS = {"pipeline": 2200, "serving": 300}
TOOLS = r"/bin/(gcc|g\+\+|cc|c\+\+|clang|make|pip[0-9.]*|uv|uvx)$"
TRAINING = r"/site-packages/(tensorflow|keras|torch|sklearn|kfp|mlflow|onnx|polars|kubernetes)/"
READY_SECONDS = 3
# What differs from run to run, whoever runs it.
OWN_FACTS = {"pipeline.run", "evaluated.at", "mlflow.run"}


# What is in them


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_small(kind: str, default: Any) -> None:
    size = engine.inspect(default.reference(kind))["Size"]
    print(f"{size / 1e6:.0f} MB ", end="")
    assert size / 1e6 <= BARS[kind]
    assert default.images[kind]["megabytes"] == round(size / 1e6)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_holds_no_tool_and_no_cache(kind: str, default: Any) -> None:
    files = engine.files(default.reference(kind))
    assert "/app/.venv/bin/python" in files
    assert not [path for path in files if re.search(TOOLS, path) or re.search(engine.LEFT, path)]


def test_the_server_s_image_has_nothing_to_train_with(default: Any) -> None:
    files = engine.files(default.reference("serving"))
    assert [path for path in files if "/site-packages/onnxruntime/" in path]
    assert not [path for path in files if re.search(TRAINING, path)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_says_what_it_is(kind: str, default: Any) -> None:
    commit = git(default.project.path, "rev-parse", "HEAD").strip()
    config = engine.inspect(default.reference(kind))["Config"]
    prefix = "org.opencontainers.image."
    labels = {k.removeprefix(prefix): v for k, v in config["Labels"].items() if prefix in k}
    assert labels == {
        "title": f"digit-recognition-{kind}",
        "source": "https://example.com/a.git",
        "revision": commit,
        "version": commit[:12],
    }
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", config["User"])
    assert default.reference(kind) == f"digit-recognition-{kind}:{commit[:12]}"
    assert not docker("image", "ls", "--quiet", f"digit-recognition-{kind}:latest")


@pytest.mark.parametrize("kind", KINDS)
def test_the_sbom_lists_what_is_installed(kind: str, default: Any) -> None:
    script = (
        "import json, importlib.metadata as m;"
        "print(json.dumps({d.name: d.version for d in m.distributions()}))"
    )
    image = default.reference(kind)
    installed = json.loads(docker("run", "--rm", *RESTRICTED, image, "python", "-c", script))
    sbom = json.loads((default.project.path / "build" / f"{kind}.cdx.json").read_text())
    assert sbom["bomFormat"] == "CycloneDX"
    listed = {_name(each["name"]): each["version"] for each in sbom["components"]}
    assert len(installed) > 10
    assert {_name(k): v for k, v in installed.items()}.items() <= listed.items()


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_context_has_no_history_no_data_and_no_secret(default: Any, tmp_path: Path) -> None:
    """All that an engine gets to see of the project, whatever a Dockerfile copies."""
    project = default.project.path
    for name in ("data/rows.csv", "docker/.env", ".env", "src/digit_recognition/.env"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("mine")
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM scratch\nCOPY . /\n")
    out = tmp_path / "context"
    try:
        options = (f"--file={dockerfile}", f"--output=type=local,dest={out}")
        docker("buildx", "build", *options, str(project))
    finally:
        shutil.rmtree(project / "data")
        for name in ("docker/.env", ".env", "src/digit_recognition/.env"):
            (project / name).unlink()
    sent = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    tracked = set(git(project, "ls-files", "config", "docker", "src", "uv.lock").splitlines())
    assert sent <= tracked | {"pyproject.toml"}
    assert {"uv.lock", "docker/install.sh", "config/base.yaml"} <= sent


# The server


def test_the_server_is_soon_ready_whoever_runs_it(default_server: Any) -> None:
    """Any user, a file system that cannot be written, no capability: see `default_server`."""
    print(f"{default_server.seconds:.1f} s ", end="")
    assert default_server.seconds <= READY_SECONDS


def test_it_answers_from_outside(default: Any, default_server: Any) -> None:
    shown = default.project.make("predict", f"PORT={default_server.port}").stdout
    assert re.search(r"\d+(\.\d+)? ?%", shown)


def test_it_is_conformant(default: Any, default_server: Any) -> None:
    shown = default.project.make("conformance", f"URL={default_server.url}").stdout
    assert ", 0 failed" in shown


def test_the_engine_finds_it_healthy(default_server: Any) -> None:
    end = time.monotonic() + 40
    while (health := _health(default_server.name)) != "healthy" and time.monotonic() < end:
        time.sleep(0.5)
    assert health == "healthy"


def _health(name: str) -> str:
    return docker("inspect", "--format={{.State.Health.Status}}", name)


def test_it_waits_for_the_first_model_and_stops_when_told(
    default: Any, tmp_path: Path, run_server: Any
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    with run_server(default.reference("serving"), store, status=503) as server:
        assert get(f"{server.url}/healthz")[0] == 200
        shutil.copytree(default.project.path / ".mlops" / "store", store, dirs_exist_ok=True)
        end = time.monotonic() + 20
        while get(f"{server.url}/readyz")[0] != 200 and time.monotonic() < end:
            time.sleep(0.1)
        assert get(f"{server.url}/readyz")[0] == 200
        start = time.monotonic()
        docker("stop", "--time=10", server.name)
        assert time.monotonic() - start < 10
        code = docker("inspect", "--format={{.State.ExitCode}}", server.name)
        assert code == "0", engine.logs(server.name)


# The pipeline


@pytest.fixture(scope="module")
def verdicts(default: Any) -> dict[str, Any]:
    """Two runs on the same data against the same champion, in processes and in containers.

    What each judged, how its model was trained, and the exit codes of its containers.
    """
    project, image = default.project, default.reference("pipeline")
    project.make("run", "ARGS=--no-cache")
    alone = _newest(project.path)
    start = str(time.time())
    shown = project.make("run", "RUNNER=docker").stdout
    ended = _ended(image, start)
    assert "cached" not in shown
    assert list(lines_of(shown)) == STEPS
    return {"process": alone, "container": _newest(project.path), "ended": ended}


def _ended(image: str, since: str) -> list[str]:
    """The exit codes of an image's containers that ended since then."""
    options = ("--filter=event=die", f"--filter=image={image}")
    form = "--format={{.Actor.Attributes.exitCode}}"
    until = f"--until={time.time() + 1}"
    return docker("events", f"--since={since}", until, *options, form).splitlines()


def _newest(project: Path) -> dict[str, Any]:
    runs = project / ".mlops" / "runs"
    verdict = max(runs.glob("*/evaluate-model/verdict*"), key=lambda path: path.stat().st_mtime)
    file = verdict / "verdict.json" if verdict.is_dir() else verdict
    record = max(runs.glob("*/train-model/model/training.json"), key=lambda p: p.stat().st_mtime)
    return {"verdict": json.loads(file.read_text()), "training": json.loads(record.read_text())}


def test_each_step_runs_in_a_container(verdicts: dict[str, Any], default: Any) -> None:
    assert verdicts["ended"] == ["0"] * len(STEPS)
    inside = engine.base_of(default.project.path).partition(":")[2].partition("-")[0]
    assert verdicts["container"]["training"]["python"].startswith(inside)


def test_a_run_in_containers_comes_to_the_same_verdict(verdicts: dict[str, Any]) -> None:
    alone, contained = (verdicts[kind]["verdict"] for kind in ("process", "container"))
    assert contained["accepted"] is True
    assert contained["rules"] == alone["rules"]
    assert contained["metrics"] == pytest.approx(alone["metrics"], abs=1e-6)
    facts = [
        {key: value for key, value in each["facts"].items() if key not in OWN_FACTS}
        for each in (alone, contained)
    ]
    assert facts[0] == facts[1]


def test_what_steps_write_is_the_user_s(verdicts: dict[str, Any], default: Any) -> None:
    path = default.project.path
    owner = path.stat().st_uid
    assert {each.stat().st_uid for each in (path / ".mlops").rglob("*")} == {owner}


def test_a_step_that_fails_in_a_container_fails_the_run(default: Any) -> None:
    start = str(time.time())
    overrides = "ARGS=data.source=files data.files.path=nowhere.csv"
    line = refused(default.project, "run", "RUNNER=docker", overrides)
    assert "load_data" in line
    assert "nowhere.csv" in line
    codes = _ended(default.reference("pipeline"), start)
    assert len(codes) == 1
    assert codes != ["0"]


def test_no_exit_code_is_lost(default: Any) -> None:
    """KFP's own loop counts a container that is gone before it is asked as a success."""
    script = (
        "import sys\n"
        "from blueprint.targets.containers import starter\n"
        "start = starter(sys.argv[1])\n"
        "print({start(['sh', '-c', 'exit 3'], {}) for _ in range(10)})\n"
    )
    python = default.project.path / ".venv" / "bin" / "python"
    command = [python, "-c", script, default.reference("pipeline")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.stdout.strip() == "{3}", done.stderr
    named = f"--filter=ancestor={default.reference('pipeline')}"
    assert not docker("ps", "--all", "--quiet", named)


def test_what_the_engine_cannot_start_is_an_error_of_one_line(default: Any) -> None:
    script = (
        "import sys\n"
        "from blueprint.errors import UserError\n"
        "from blueprint.targets.containers import starter\n"
        "try:\n"
        "    starter(sys.argv[1])(['no-such-program'], {})\n"
        "except UserError as error:\n"
        "    print(error)\n"
    )
    shown = default.project.run_python("-c", script, default.reference("pipeline"))
    assert shown.startswith("the container engine failed: ")
    assert "no-such-program" in shown
    assert len(shown.splitlines()) == 1
    named = f"--filter=ancestor={default.reference('pipeline')}"
    assert not docker("ps", "--all", "--quiet", named)


# A change


def test_a_change_of_code_makes_no_layer_of_packages_anew(default: Any) -> None:
    """Last: it leaves images of a tree that no commit holds, and then those of the next commit."""
    project, before = default.project, default.images
    step = project.path / "src" / "digit_recognition" / "train.py"
    code = step.read_text()
    layers = {kind: _layers(default.reference(kind)) for kind in KINDS}
    try:
        step.write_text(code + "\n# A change.\n")
        assert "make images" in refused(project, "run", "RUNNER=docker")
        said = default.make_images()
        assert "src/digit_recognition/train.py" in said
        for kind in KINDS:
            assert re.search(r":[0-9a-f]{12}-dirty-[0-9a-f]{12}$", default.reference(kind))
            # All but the two last, which are the code and its bytecode.
            assert _layers(default.reference(kind))[:-2] == layers[kind][:-2]
            assert _layers(default.reference(kind)) != layers[kind]
        first = default.reference("serving")
        server = project.path / "src" / "blueprint" / "predict.py"
        text = server.read_text()
        server.write_text(text + "\n# Another, which no step runs.\n")
        try:
            default.make_images()
        finally:
            server.write_text(text)
        assert default.reference("serving") != first
    finally:
        step.write_text(code)
    default.make_images()
    assert default.images == before


def _layers(image: str) -> list[str]:
    layers: list[str] = engine.inspect(image)["RootFS"]["Layers"]
    return layers
