"""kubectl: it builds manifests, and shows and applies what they change."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ..errors import UserError
from ..text import shorten
from .connection import MANAGER, ConnectionProblem, explain
from .settings import Deploy

SECONDS = 120
INSTALL = "https://kubernetes.io/docs/tasks/tools"
OWN = ["--server-side", "--force-conflicts", f"--field-manager={MANAGER}", "--filename=-"]
LIST = {"KUBECTL_EXTERNAL_DIFF": "diff -u -N"}  # the form that is read here
HEADER = re.compile(r"^diff .*/(?:\S*?\.)?v\w+\.(\w+)\.[^./\s]+\.(\S+)$")
NOISE = re.compile(r"^[-+] {2}(generation|uid|resourceVersion|creationTimestamp):")
WIDTH = 78


def find() -> str:
    """Where kubectl is, or a UserError."""
    path = shutil.which("kubectl")
    if path is None:
        raise UserError(f"kubectl is not on the PATH: {INSTALL}")
    return path


def build(folder: Path, seconds: float = SECONDS) -> str:
    """The manifests that a kustomization makes. Raises UserError for a mistake in it."""
    done = _run(["kustomize", str(folder)], seconds=seconds)
    if done.returncode:
        text = " ".join(done.stderr.split()).removeprefix("error: ")
        raise UserError(f"{folder} cannot be built: {text[-500:]}")
    return done.stdout


def diff(manifests: str, deploy: Deploy) -> list[str]:
    """What applying would change on the cluster, a line each; nothing is changed."""
    done = _run(["diff", *_to(deploy), *OWN], manifests)
    if done.returncode > 1:
        raise ConnectionProblem(_reason(done.stderr, deploy))
    return list(_changes(done.stdout))


def apply(manifests: str, deploy: Deploy) -> None:
    """Have the cluster be as the manifests say."""
    done = _run(["apply", *_to(deploy), *OWN], manifests)
    if done.returncode:
        raise ConnectionProblem(_reason(done.stderr, deploy))


def call(deploy: Deploy, *arguments: str, text: str | None = None, seconds: float = SECONDS) -> str:
    """What kubectl prints, for the cluster of the context. Raises ConnectionProblem."""
    done = _run([f"--context={deploy.context}", *arguments], text, seconds)
    if done.returncode:
        raise ConnectionProblem(_reason(done.stderr, deploy))
    return done.stdout


def _to(deploy: Deploy) -> list[str]:
    return [f"--context={deploy.context}", f"--namespace={deploy.namespace}"]


def _run(
    arguments: list[str], text: str | None = None, seconds: float = SECONDS
) -> subprocess.CompletedProcess[str]:
    command = [find(), *arguments]
    try:
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=os.environ | LIST,
        )
    except subprocess.TimeoutExpired:
        what = " ".join(["kubectl", *arguments[:1]])
        raise ConnectionProblem(f"`{what}` got no answer within {seconds:g} s") from None


def _reason(errors: str, deploy: Deploy) -> str:
    """The first thing that kubectl complains of, in one line."""
    lines = [line for line in errors.splitlines() if line and not line.startswith("Warning:")]
    text = re.sub(r"^(error: |Error from server( \(\w+\))?: )", "", lines[0] if lines else "")
    return explain(text or "kubectl says nothing", deploy)


def _changes(text: str) -> Iterator[str]:
    """The lines of a diff that people need: a new object is one line."""
    title, lines = "", list[str]()
    for line in [*text.splitlines(), "diff end"]:
        if line.startswith("diff "):
            yield from _change(title, lines)
            found = HEADER.match(line)
            title, lines = (f"{found[1]} {found[2]}" if found else line), []
        elif not line.startswith(("---", "+++")):
            lines.append(line)


def _change(title: str, lines: list[str]) -> Iterator[str]:
    if lines and lines[0].startswith("@@ -0,0 "):
        yield f"{title} is new"
        return
    changed = [line for line in lines if line[:1] in "+-" and not NOISE.match(line)]
    if changed:
        yield f"{title} changes:"
        yield from (shorten(line, WIDTH) for line in changed)
