"""The laptop: the compiled pipeline through `kfp.local`, each step a process of its own."""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import datetime
from pathlib import Path
from unittest.mock import patch

from .. import registry_check
from ..errors import UserError
from ..settings import Settings
from .display import Display

STATE = Path(".mlops")
RUNS = STATE / "runs"
# Code that no step runs: a change there leaves cached results valid.
# fmt: off
OUTSIDE = [
    "batch", "cli.py", "cluster.py", "doctor.py", "drawing.py", "notebook.py", "predict.py",
    "serving", "targets",
]
# fmt: on
STEPS = ["load_data", "train_model", "evaluate_model", "register_model", "deploy_model"]
FIXED_SOURCES = ("sample", "fashion-mnist")
LATER = ["steps.train", "export", "evaluation.evaluate"]  # what `warm_up` imports
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONUNBUFFERED": "1"}
RUNNERS = ("subprocess", "docker")


class RunError(UserError):
    """A run that could not be started, or a step of it that failed."""


def run(settings: Settings, *, cache: bool = True, runner: str = "subprocess") -> Display:
    """Run the training pipeline and show its progress. Raises `RunError` when a step fails.

    `runner` is one of RUNNERS.
    """
    with _exclusive():
        image = f"local/python:{fingerprint()}"  # its tag tells the cache when code has changed
        if runner == "docker":
            from . import containers, images

            image = images.current_pipeline_image()
            containers.check_engine(image)
        checked = registry_check.begin(settings.registry.model_dump(mode="json"))
        import kfp  # takes a second, so it waits until nothing can be refused quickly
        from kfp import local

        from .compile import compile_pipeline, parameters

        started = datetime.now().strftime("%Y-%m-%d-%H-%M-%S")
        spec, log = RUNS / f"{started}.yaml", RUNS / f"{started}.log"
        compile_pipeline(settings, spec, image)
        pipeline = kfp.components.load_component_from_file(str(spec))
        local.init(
            containers.runner(QUIET)
            if runner == "docker"
            else local.SubprocessRunner(use_venv=False),
            pipeline_root=str(RUNS),
            enable_caching=cache,
            cache_root=str(STATE / "cache"),
        )
        checked()
        display = Display(STEPS, log)
        try:
            steps = containers.exit_codes() if runner == "docker" else _step_environment()
            with redirect_stdout(display), steps:
                pipeline(
                    **parameters(settings),
                    revision=revision(),
                    lock=lock_hash(),
                    snapshot=snapshot(settings.data.source),
                )
            display.finish()
        except RuntimeError as error:
            raise RunError(f"{display.error or error} (full log: {log})") from None
        finally:
            display.close()
        return display


def warm_up() -> subprocess.Popen[bytes] | None:
    """Before a project's first run, import what its later steps need, in a process of its own.

    Python compiles each library at its first import, half a minute for all of them; another core
    does that while the first step runs. Nothing waits for it, and nothing needs it.
    """
    if RUNS.exists():
        return None
    package = __name__.split(".")[0]
    imports = "; ".join(f"import {package}.{module}" for module in LATER)
    command = [sys.executable, "-c", imports]
    return subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def fingerprint() -> str:
    """A hash of the code and the packages that steps run: the cache must not outlive either."""
    package = Path(__file__).parents[1]
    skipped = {*OUTSIDE, "__pycache__"}
    files = [p for p in package.rglob("*") if not skipped & {*p.relative_to(package).parts}]
    digest = hashlib.sha256()
    for path in [*sorted(files), Path("uv.lock")]:  # also weights in steps/
        if path.is_file():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def snapshot(source: str) -> str:
    """What tells two readings of a source apart: the time, for those that can change."""
    return "" if source in FIXED_SOURCES else datetime.now().isoformat()


def revision() -> str:
    """The git commit of the project, "unknown" where there is none; "-dirty" with changes."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def lock_hash() -> str:
    """The SHA-256 of uv.lock, which pins every package; "unknown" where there is none."""
    lock = Path("uv.lock")
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else "unknown"


@contextmanager
def _exclusive() -> Iterator[None]:
    """Hold the lock that keeps two runs apart; the system frees it when a run is killed."""
    try:
        RUNS.mkdir(parents=True, exist_ok=True)
        file = (STATE / "run.lock").open("w")
    except OSError as error:
        raise RunError(f"cannot write to {error.filename}: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError("another `make run` is at work in this folder: wait for it") from None
        yield


@contextmanager
def _step_environment() -> Iterator[None]:
    """What step processes inherit: quiet libraries, and this Python by the name `python3`.

    KFP writes `sys.executable` unquoted into a shell command, which a path with a space breaks.
    """
    path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
    variables = {**QUIET, "PATH": path}
    with patch.dict(os.environ, variables), patch.object(sys, "executable", "python3"):
        yield
