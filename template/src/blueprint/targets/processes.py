"""Steps as processes of this machine, in place of what KFP starts them with.

A step and all that it starts are one process group, which ends with the step, with the run, and
when the run is killed.
"""

import codecs
import io
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..progress import FAILED, FINISHED, STARTED, line
from .graph import FUNCTION

Start = Callable[[list[str], dict[str, str] | None], int]
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONUNBUFFERED": "1"}
# Standard input is open for as long as the run lives; then the group is ended from inside.
WATCHED = 'exec 3<&0 </dev/null; (read _ <&3; kill -9 0) >/dev/null 2>&1 & exec "$@" 3<&-'
GRACE_SECONDS = 3  # for a step to end by itself after Ctrl-C


@contextmanager
def started_by(start: Start, *, announce: bool = True) -> Iterator[None]:
    """Inside, kfp.local starts each step by `start`, a function of its command and its variables;
    how a step begins and ends is printed as `progress` does, for those that say nothing.

    KFP has two runners and no hook for a third. Its own waits for whatever a step leaves running,
    and puts `sys.executable` unquoted into a shell command, which a path with a space breaks.
    """
    from kfp.local import subprocess_task_handler as handler

    def step(full_command: list[str], env_vars: dict[str, str] | None = None) -> int:
        command = [part.replace(sys.executable, "python3") for part in full_command[:3]]
        name = full_command[full_command.index(FUNCTION) + 1]
        if announce:
            print(line(name, STARTED))
        code = start(command + full_command[3:], env_vars)
        if announce:
            print(line(name, FAILED, ending(code)) if code else line(name, FINISHED))
        return code

    original, handler.run_local_subprocess = handler.run_local_subprocess, step
    try:
        yield
    finally:
        handler.run_local_subprocess = original


def run_process(command: list[str], variables: dict[str, str] | None = None) -> int:
    """Run a step to its end, print its output on the way, and return its exit code."""
    path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"  # this Python is python3
    process = subprocess.Popen(
        ["sh", "-c", WATCHED, "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | QUIET | {"PATH": path} | (variables or {}),
        start_new_session=True,
    )
    try:
        for text in _output(process):
            print(text)
        return process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        raise
    finally:
        _end_group(process)


def ending(code: int) -> str:
    """An exit code in words; `code` is a shell's, or Python's."""
    number = -code if code < 0 else code - 128
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"its process ended with exit code {code}"
    hint = "; was there enough memory?" if number == signal.SIGKILL else ""
    return f"its process was ended by the signal {name}{hint}"


def _output(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """The lines that are printed until the step ends; what it leaves running does not count."""
    assert process.stdout
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace")
    decoder, rest = io.IncrementalNewlineDecoder(decode, translate=True), ""
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        ended = part = None
        while part != b"" and not (ended and not ready.select(timeout=0)):
            if not ended and process.poll() is not None:
                ended = True
                _end_group(process)
            if ready.select(timeout=0.1):
                part = os.read(process.stdout.fileno(), 65_536)
                *lines, rest = (rest + decoder.decode(part, final=not part)).split("\n")
                yield from lines
    if rest:
        yield rest


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
