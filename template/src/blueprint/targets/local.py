"""The laptop: the pipeline through `kfp.local`, each step a process of its own."""

import fcntl
import logging
import platform
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import datetime
from importlib import import_module

from .. import pipelines
from ..errors import UserError
from ..registry import check as registry_check
from ..runs import RUNS, STATE
from ..settings import Settings
from . import code, facts, preflight, processes, unchanged
from .display import Display

LATER = ["blueprint.export", "blueprint.evaluation.evaluate"]  # what `warm_up` imports
RUNNERS = ("subprocess", "docker")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def run(
    settings: Settings, *, cache: bool = True, runner: str = "subprocess", entry: str = "training"
) -> dict[str, str]:
    """Run a pipeline, show its progress, and return how each step ended; nothing where nothing has
    changed since the last training.

    `runner` is one of RUNNERS. Raises `UserError` when a step fails.
    """
    with _exclusive():
        image = ""
        start: processes.Start = processes.run_process
        if runner == "docker":
            from . import containers, images

            image = images.current_pipeline_image()
            start = containers.starter(image)
        key = unchanged.key(settings, image)
        if cache and entry == "training" and (text := unchanged.since(settings, key)):
            print(text)
            return {}
        preflight.check(settings, here=not image)
        if not image:
            warm_up()
        results, repeatable = _run(settings, cache, image, start, entry)
        if repeatable and entry == "training":
            unchanged.remember(settings, key)
        return results


def _run(
    settings: Settings, cache: bool, image: str, start: processes.Start, entry: str
) -> tuple[dict[str, str], bool]:
    """How each step ended, and whether another run with nothing new would change nothing."""
    display = None
    try:
        checked = registry_check.begin(settings.registry.model_dump(mode="json"))
        from kfp import local  # takes a second: what is wrong with the configuration is known

        from . import graph

        log = RUNS / f"{datetime.now():%Y-%m-%d-%H-%M-%S}.log"
        configured = graph.configure(settings, image or _code, entry)
        arguments = graph.arguments(settings, facts.of_run(settings, cache=cache), entry)
        local.init(
            local.SubprocessRunner(use_venv=False),
            pipeline_root=str(RUNS),
            enable_caching=cache,
            cache_root=str(STATE / "cache"),
        )
        checked()
        # MLflow takes a second, too, and the steps have their own processes.
        threading.Thread(target=import_module, args=[unchanged.CLIENT], daemon=True).start()
        display = Display(configured.steps, log)
        with redirect_stdout(display), _logging(display), processes.started_by(start):
            configured.pipeline(**arguments)
        display.finish()
        return display.results, configured.repeatable
    except RuntimeError as error:
        text = (display and display.error) or ANSI.sub("", str(error))
        raise UserError(f"{text} (full log: {log})") from None
    except KeyboardInterrupt:
        if display:
            display.close()
        print(_stopped(display), file=sys.stderr)
        raise SystemExit(130) from None
    finally:
        if display:
            display.close()


def warm_up() -> subprocess.Popen[bytes] | None:
    """Before a project's first run, import what its later steps need, in a process of its own.

    Python compiles each library at its first import, half a minute for all of them; another core
    does that while the first step runs. Nothing waits for it, and nothing needs it.
    """
    if any(RUNS.glob("*.log")):
        return None
    print("the first run imports every library for the first time: up to a minute", flush=True)
    argv = [sys.executable, "-c", f"import {', '.join([f'{pipelines.package()}.train', *LATER])}"]
    return subprocess.Popen(
        argv, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _code(source: str) -> str:
    """What the cache knows a step's code by; another Python may train another model."""
    return f"local/python-{platform.python_version()}:{code.fingerprint(source)}"


def _stopped(display: Display | None) -> str:
    """What a person who has stopped a run wants to know."""
    where = f"stopped in {display.step}" if display and display.step else "stopped"
    if display and {"register_model", "deploy_model"} & {display.step, *display.results}:
        return f"{where}: `make models` shows what was registered, `make run` continues"
    return f"{where}: nothing was registered or deployed; `make run` continues here"


@contextmanager
def _logging(display: Display) -> Iterator[None]:
    """KFP's own messages to the display: one says that a step was answered from the cache."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logging.basicConfig(stream=display, level=logging.INFO, format="%(message)s", force=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a laptop has no pods to give options to
            yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@contextmanager
def _exclusive() -> Iterator[None]:
    """Hold the lock that keeps two runs apart; the system frees it when a run is killed."""
    try:
        RUNS.mkdir(parents=True, exist_ok=True)
        file = (STATE / "run.lock").open("w")
    except OSError as error:
        raise UserError(f"cannot write to {error.filename}: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError("another `make run` is at work in this folder: wait for it") from None
        yield
