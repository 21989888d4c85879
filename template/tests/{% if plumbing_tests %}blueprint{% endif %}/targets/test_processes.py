"""Steps as processes: how they end, what they leave behind, and what is said of it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kfp.local import subprocess_task_handler as handler

from blueprint.targets.processes import run_process, started_by

BEGUN = "import os, signal, subprocess, sys, time; print('begun', flush=True);"
STEP = ["--function_to_execute", "train_model"]


def run(script):
    """Run a step as KFP does."""
    with started_by(run_process):
        return handler.run_local_subprocess([sys.executable, "-c", BEGUN + script, *STEP])


def is_alive(pid):
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # a system without /proc shows no process that has ended
        return not Path("/proc/self").exists()


def ends(pid, seconds=20):
    """A signal is sent before it has arrived."""
    end = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not is_alive(pid)


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("", 0, ""),
        ("os._exit(3)", 3, "its process ended with exit code 3"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", -11, "was ended by the signal SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9, "the signal SIGKILL; was there enough mem"),
        ("os._exit(137)", 137, "was ended by the signal SIGKILL"),  # as a shell or Docker says it
    ],
)
def test_how_a_step_ended_is_said(script, code, words, capfd):
    assert run(script) == code
    started, first, last = capfd.readouterr().out.splitlines()
    assert started == "[train_model] started"
    assert first == "begun"
    end = "[train_model] failed: " if words else "[train_model] finished"
    assert last.startswith(end)
    assert words in last


@pytest.mark.parametrize("session", [False, True], ids=["a child", "a daemon"])
def test_what_a_step_leaves_running_is_not_waited_for(session, capfd):
    start = time.monotonic()
    script = f"p = subprocess.Popen(['sleep', '30'], start_new_session={session}); print(p.pid)"

    assert run(script) == 0

    assert time.monotonic() - start < 15
    pid = int(capfd.readouterr().out.splitlines()[-2])
    if session:
        os.kill(pid, 9)  # nobody can find what hides like this
    else:
        assert ends(pid)


RUN = """
import sys
from blueprint.targets.processes import run_process
print("code", run_process([sys.executable, "-c", sys.argv[1]]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_a_step_ends_with_the_run(number):
    script = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    run = subprocess.Popen([sys.executable, "-c", RUN, script], stdout=subprocess.PIPE, text=True)
    pid = int(run.stdout.readline())

    run.send_signal(number)
    run.wait(20)

    assert ends(pid)
    assert "code" not in run.stdout.read()


def test_lines_are_complete_in_any_encoding(capfd):
    run(r"os.write(1, b'a\rb \xff'); time.sleep(0.2); os.write(1, 'ä\nend'.encode())")
    lines = capfd.readouterr().out.splitlines()[1:-1]
    assert lines == ["begun", "a", "b \ufffdä", "end"]
