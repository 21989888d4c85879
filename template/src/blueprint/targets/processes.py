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
from collections.abc import Iterator, Sequence
from contextlib import suppress

from ..progress import FAILED, line

# Standard input is open for as long as the run lives; then the group is ended from inside.
WATCHED = 'exec 3<&0 </dev/null; (read _ <&3; kill -9 0) >/dev/null 2>&1 & exec "$@" 3<&-'
FUNCTION = "--function_to_execute"  # KFP's option, before the name of a step
GRACE_SECONDS = 3  # for a step to end by itself after Ctrl-C


def run_process(full_command: list[str], env_vars: dict[str, str] | None = None) -> int:
    """Run a step to its end, print its output on the way, and return its exit code."""
    process = subprocess.Popen(
        ["sh", "-c", WATCHED, "sh", *full_command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | (env_vars or {}),
        start_new_session=True,
    )
    try:
        for text in _output(process):
            print(text)
        code = process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        raise
    finally:
        _end_group(process)
    report(full_command, code)
    return code


def report(command: Sequence[str], code: int) -> None:
    """Say how a step failed: its own words may be missing. `code` is a shell's, or Python's."""
    if code and FUNCTION in command:
        print(line(command[command.index(FUNCTION) + 1], FAILED, ending(code)))


def ending(code: int) -> str:
    """An exit code in words."""
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
