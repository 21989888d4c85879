"""Commands in a generated project: its make targets, its server."""

import contextlib
import os
import pty
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


def environment() -> dict[str, str]:
    """This environment without what belongs to the tests: their Python, their make's variables.

    UV_NO_SOURCES stays: .ci/run sets it where PyTorch's index, a source, is not reached.
    """
    hidden = ["VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"]
    hidden += ["MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "ARGS", "ENV", "PORT", "PYTHON"]
    hidden += ["VERSION", "FORCE", "REASON", "URL", "MODEL", "INPUT", "OUTPUT"]
    hidden += ["YES", "DRY", "TRUST", "MLOPS_ENV"]
    given = {k: v for k, v in os.environ.items() if k not in hidden}
    # An MLflow server of a test needs none of the seven processes that run jobs.
    return given | {"NO_COLOR": "1", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def get(url: str, timeout: float = 5) -> tuple[int, str]:
    """Status and body of a GET; (0, reason) when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def stop(process: subprocess.Popen[str], grace: float = 15) -> None:
    """End a process and everything it started: politely, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
            break


@dataclass(frozen=True)
class Server:
    """`make serve` on a free port."""

    port: int
    process: subprocess.Popen[str]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Project:
    """A generated project on disk."""

    path: Path

    def make(
        self, *arguments: str, timeout: float = 600, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run `make ARGUMENTS`; a failure is an error with the output, unless `check` is off."""
        done = subprocess.run(
            ["make", "--no-print-directory", *arguments],
            cwd=self.path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode:
            command = f"make {' '.join(arguments)}: exit code {done.returncode}"
            raise AssertionError(f"{command}\n{done.stdout}{done.stderr}")
        return done

    def run_python(self, *arguments: str) -> str:
        """Run the project's own Python in its folder; return what it prints."""
        python = self.path / ".venv" / "bin" / "python"
        command = [str(python), *arguments]
        done = subprocess.run(
            command, cwd=self.path, env=environment(), capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def make_in_a_terminal(self, *arguments: str, typed: bytes = b"", timeout: float = 600) -> str:
        """Run `make ARGUMENTS` as a person does, on a terminal; return what it showed."""
        main, terminal = pty.openpty()
        process = subprocess.Popen(
            ["make", "--no-print-directory", *arguments],
            cwd=self.path,
            env=environment() | {"TERM": "xterm", "COLUMNS": "100", "GIT_PAGER": "cat"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        os.write(main, typed)
        shown, end = b"", time.monotonic() + timeout
        with contextlib.suppress(OSError):  # Linux says so when the other side is closed
            while time.monotonic() < end and (part := os.read(main, 4096)):
                shown += part
        os.close(main)
        code = process.wait(10)
        text = shown.decode(errors="replace")
        assert code == 0, f"make {' '.join(arguments)}: exit code {code}\n{text}"
        return text

    def start(self, *arguments: str, log: Path) -> subprocess.Popen[str]:
        """Start `make ARGUMENTS` in a process group of its own, its output in `log`."""
        with log.open("w") as output:
            return subprocess.Popen(
                ["make", "--no-print-directory", *arguments],
                cwd=self.path,
                env=environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    @contextlib.contextmanager
    def serve(self, timeout: float = 60, ready: str = "/readyz") -> Iterator[Server]:
        """`make serve`, from the moment the path `ready` answers 200."""
        port = free_port()
        log = self.path / f".serve-{port}.log"
        process = self.start("serve", f"PORT={port}", log=log)
        server = Server(port, process, log)
        try:
            wait_until_ready(server, timeout, ready)
            yield server
        finally:
            stop(process)
            log.unlink(missing_ok=True)


def wait_until_ready(server: Server, timeout: float, ready: str) -> None:
    end = time.monotonic() + timeout
    status, reason = 0, ""
    while time.monotonic() < end and server.process.poll() is None:
        status, reason = get(server.url + ready)
        if status == 200:
            return
        time.sleep(0.05)
    raise AssertionError(f"the server is not ready: {status} {reason}\n{server.log.read_text()}")
