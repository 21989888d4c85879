"""Programs of packages that are too large for the project's environment: uv runs them beside it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
START_SECONDS = 180  # MLflow's server takes a minute where others work too


def python_with(packages: list[str], module: str) -> list[str]:
    """The command of a Python that has these packages; a skip where they cannot be had."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        pytest.skip("no uv: python -m pip install uv")
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    command = [uv, "run", "--quiet", "--no-project", "--python", sys.executable]
    command += ["--exclude-newer", project["tool"]["uv"]["exclude-newer"]]
    command += [part for package in packages for part in ("--with", package)] + ["python"]
    ready = subprocess.run([*command, "-c", f"import {module}"], capture_output=True, text=True)
    if ready.returncode:
        pytest.skip(f"no {module}: {' '.join(command[1:-1])}: {ready.stderr.strip()[-300:]}")
    return command


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def answering(command: list[str], url: str) -> Iterator[str]:
    """A program that answers at `url`, for the length of a `with` block."""
    null = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=null, stderr=null, start_new_session=True)
    end = time.monotonic() + START_SECONDS
    try:
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError as error:
                if process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"{command} does not answer at {url}") from error
                time.sleep(0.1)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
