"""What a step says while it runs.

Plain lines on standard output, `[step] event: text`: every runner carries them (a subprocess, a
container, a pod's log), people can read them as they are, and `targets.display` follows them.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from . import rooms
from .errors import UserError
from .logins import hide

STARTED, FINISHED, FAILED, SAYS = "started", "finished", "failed", "says"
LINE = re.compile(r"^\s*\[(?P<step>\w+)\] (?P<event>\w+)(?:: (?P<text>.*))?$")


def line(step: str, event: str, text: str = "") -> str:
    """One line of progress; `event` is one of the words above."""
    return f"[{step}] {event}{': ' if text else ''}{text}"


@contextmanager
def step(name: str) -> Iterator[Callable[[str], None]]:
    """Report that a step starts and how it ends; yields a function that reports a result line."""
    begin = time.perf_counter()
    print(line(name, STARTED), flush=True)
    try:
        yield lambda text: print(line(name, SAYS, text), flush=True)
    except BaseException as error:
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        text = hide(" ".join(str(error).split()))
        print(line(name, FAILED, f"{kind}{text}"), flush=True)
        raise
    finally:
        for room in rooms("after_step"):
            room.tell(name, time.perf_counter() - begin)
    print(line(name, FINISHED, f"in {time.perf_counter() - begin:.1f} s"), flush=True)
