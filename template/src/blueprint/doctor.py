"""`make doctor`: what this machine has, in one table, with how to mend what is missing."""

import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import settings
from .errors import UserError
from .registry import store

MIN_FREE_GB = 2
# What is looked at; a function that says what it found, or raises a UserError; is it needed?
Check = tuple[str, Callable[[], str], bool]


def check(more: Sequence[Check] = ()) -> int:
    """Print the table; return 0 when nothing that is needed is missing, else 1."""
    checks: list[Check] = [
        ("Python", _python, True),
        ("git", _git, False),
        ("disk", _disk, True),
        ("state folder", _state, True),
        ("configuration", _configuration, True),
        ("port", _port, False),
        ("registry", _registry, True),
        ("model in service", _in_service, False),
        ("container engine", _engine, False),
        *more,
    ]
    table, failed = Table("", "check", "found"), False
    for name, run, needed in checks:
        try:
            table.add_row("[green]✓[/]", name, run())
        except UserError as error:
            failed |= needed
            table.add_row("[red]✗[/]" if needed else "[yellow]![/]", name, str(error))
    Console().print(table)
    return int(failed)


def _python() -> str:
    return f"{platform.python_version()} in {sys.prefix}"


def _tool(name: str, advice: str) -> str:
    found = shutil.which(name)
    if not found:
        raise UserError(f"not on PATH: {advice}")
    return found


def _git() -> str:
    """The commit: runs record it, images are named by it, and an upgrade starts from it."""
    _tool("git", "install git: runs record the commit")
    first = '`git add -A && git commit -m "The start"`, so that runs have a commit to record'
    if not _asked_git("rev-parse", "--git-dir"):
        raise UserError(f"no git repository: `git init`, then {first}")
    commit = _asked_git("rev-parse", "--verify", "--short", "HEAD")
    if not commit:
        raise UserError(f"nothing is committed yet: {first}")
    return f"commit {commit}"


def _asked_git(*question: str) -> str:
    done = subprocess.run(["git", *question], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _disk() -> str:
    free = shutil.disk_usage(".").free / 1e9
    if free < MIN_FREE_GB:
        raise UserError(f"{free:.1f} GB free: make room for {MIN_FREE_GB} GB (`make clean` helps)")
    return f"{free:.0f} GB free"


def _state() -> str:
    folder = Path(".mlops")
    place = folder if folder.exists() else Path()
    if not os.access(place, os.W_OK):
        raise UserError(f"cannot write to {place.resolve()}: change its owner or its permissions")
    return str(folder)


def _configuration() -> str:
    loaded = settings.load()
    return f"data.source {loaded.data.source}, registry {loaded.registry.tracking_uri}"


def _port() -> str:
    serving = settings.load().serving
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((serving.host, serving.port))
        except OSError:
            text = f"{serving.port} is in use: `make serve PORT=…` takes another"
            raise UserError(text) from None
    return f"{serving.host}:{serving.port} is free"


def _in_service() -> str:
    from .registry import in_service

    loaded = settings.load()
    if loaded.serving.store is None:
        return "serving.store is not set: the registry's champion"
    deployed = store.current(loaded.serving.store, loaded.registry.name)
    if deployed:
        deployed.verify()
    if found := in_service.difference(loaded):
        raise UserError(found)
    return f"version {deployed.version}, the registry's champion" if deployed else "none"


def _registry() -> str:
    from .registry.check import check

    loaded = settings.load()
    uri = loaded.registry.tracking_uri
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        return f"{uri}: `make run` makes it"
    try:
        return check(**loaded.registry.model_dump())
    except UserError as error:
        if loaded.kubeflow is None:
            raise
        # Steps may reach what this machine does not; the row `tracking server` says the rest.
        return f"not reached from here, which is right where only pods reach it: {error}"


def _engine() -> str:
    from .targets.images import find_engine

    return find_engine()
