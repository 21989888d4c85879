"""What the tests of several projects do with one."""

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from support.project import Project, Server

STEPS = ["load_data", "train_model", "evaluate_model", "register_model", "deploy_model"]


def pointer(project: Project, name: str = "*") -> Path | None:
    """The store's pointer to the model of that name, or to the one that there is."""
    return next((project.path / ".mlops" / "store").glob(f"{name}/current.json"), None)


def champion(project: Project, name: str = "*") -> str | None:
    """The version that the store's pointer names."""
    found = pointer(project, name)
    return json.loads(found.read_text())["version"] if found else None


def deployed(project: Project, name: str = "*") -> Path:
    """The folder of the version in service."""
    found = pointer(project, name)
    assert found, "nothing is in service"
    fields = json.loads(found.read_text())
    return found.parent / f"{fields['version']}-{fields['sha256'][:12]}"


def lines_of(output: str) -> dict[str, str]:
    """The last line of `make run` that names each step."""
    found = {}
    for line in output.splitlines():
        if match := re.search(r"\b(" + "|".join(STEPS) + r")\b", line):
            found[match[1]] = line
    return found


def flat(output: str) -> str:
    """An output without the breaks and indents of its lines, which are wrapped."""
    return " ".join(output.split())


def post(server: Server, name: str, body: object, timeout: float = 20) -> tuple[int, str, str]:
    """Status, body and model version of a predict request; `body` may be raw bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = f"{server.url}/v1/models/{name}:predict"
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode(), answer.headers["X-Model-Version"] or ""
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), ""


def refused(project: Project, *arguments: str, timeout: float = 60) -> str:
    """Run a make target that must fail with one clear line; return that line."""
    done = project.make(*arguments, timeout=timeout, check=False)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stdout + done.stderr
    return errors[0]


def kill_after(
    project: Project,
    word: str,
    process: subprocess.Popen[str],
    log: Path,
    number: signal.Signals = signal.SIGKILL,
) -> None:
    """Kill a started `make` and its children, without warning, once `word` is in its log."""
    end = time.monotonic() + 120
    while word not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)
    os.killpg(process.pid, number)
    process.wait(60)


class Load:
    """Requests without pause in a thread, until the block ends; keeps what came back."""

    def __init__(self, server: Server, name: str, body: object) -> None:
        self.answers: list[tuple[int, str]] = []
        self._send = lambda: post(server, name, body)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                status, _, version = self._send()
            except OSError:
                status, version = 0, ""
            self.answers.append((status, version))

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(30)
