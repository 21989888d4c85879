"""The laptop: the compiled pipeline through `kfp.local`, each step a process of its own."""

import fcntl
import hashlib
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from .. import pipelines
from ..data.settings import Data
from ..errors import UserError
from ..registry import check as registry_check
from ..runs import RUNS as RUNS
from ..runs import STATE as STATE
from ..settings import Settings
from . import code, preflight
from .display import Display

STEPS = ["load_data", "train_model", "evaluate_model", "register_model", "deploy_model"]
FIXED_SOURCES = ("sample", "fashion-mnist")
LATER = ["export", "evaluation.evaluate"]  # what `warm_up` imports
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONUNBUFFERED": "1"}
RUNNERS = ("subprocess", "docker")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class RunError(UserError):
    """A run that could not be started, or a step of it that failed."""


def run(settings: Settings, *, cache: bool = True, runner: str = "subprocess") -> Display:
    """Run the training pipeline and show its progress. Raises `RunError` when a step fails.

    `runner` is one of RUNNERS.
    """
    preflight.check(settings, here=runner == "subprocess")
    with _exclusive():
        image: Any = _image
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
        cache_data = settings.pipeline.step("load_data").cache
        if cache_data is None:
            cache_data = settings.data.source != "sql"
        compile_pipeline(settings, spec, image, reread=False)
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
                    snapshot=snapshot(settings.data, cache and cache_data),
                )
            display.finish()
        except RuntimeError as error:
            text = display.error or ANSI.sub("", str(error))
            raise RunError(f"{text} (full log: {log})") from None
        except KeyboardInterrupt:
            display.close()
            print(_stopped(display), file=sys.stderr)
            raise
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
    later = [f"{pipelines.package()}.train", *(f"blueprint.{each}" for each in LATER)]
    imports = "; ".join(f"import {module}" for module in later)
    command = [sys.executable, "-c", imports]
    return subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def fingerprint() -> str:
    """A hash of the code and the packages that steps run: an image must not outlive either."""
    folder = pipelines.folder()
    assert folder is not None
    components = folder / "components"
    return code.fingerprint(*(path.read_text() for path in sorted(components.glob("*.py"))))


def _image(source: str) -> str:
    """What the cache knows a step's code by; another Python may train another model."""
    return f"local/python-{platform.python_version()}:{code.fingerprint(source)}"


def snapshot(data: Data, cache: bool) -> str:
    """What tells two readings of a source apart.

    Files are told apart by their names, sizes and times, if `cache` is set; a database then counts
    as one that never changes. What is not known to be the same is told apart by the time.
    """
    if data.source in FIXED_SOURCES or (cache and data.source == "sql"):
        return ""
    if cache and data.files:
        from ..data import storage

        with suppress(UserError):  # load_data says what is wrong, and better
            return storage.fingerprint(data.files.path)
    return datetime.now().isoformat()


def revision() -> str:
    """The git commit of the project, "unknown" where there is none; "-dirty" with changes."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def lock_hash() -> str:
    """The SHA-256 of uv.lock, which pins every package; "unknown" where there is none."""
    lock = Path("uv.lock")
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else "unknown"


def _stopped(display: Display) -> str:
    """What a person who has stopped a run wants to know."""
    where = f"stopped in {display.step}" if display.step else "stopped"
    if {"register_model", "deploy_model"} & {display.step, *display.results}:
        return f"{where}: `make models` shows what was registered, `make run` goes on"
    return f"{where}: nothing was registered or deployed; `make run` goes on where this was"


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
    `run_process` starts them: KFP waits for whatever a step leaves running.
    """
    from kfp.local import subprocess_task_handler

    from .processes import run_process

    path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
    variables = {**QUIET, "PATH": path}
    with (
        patch.dict(os.environ, variables),
        patch.object(sys, "executable", "python3"),
        patch.object(subprocess_task_handler, "run_local_subprocess", run_process),
    ):
        yield
