"""`make doctor`: what this machine has, in one table, and how to fix what is missing.

A room adds its rows with `checks()` in its `commands.py`.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from . import rooms, settings
from .errors import UserError
from .options import Check

MIN_FREE_GB = 2


def check() -> int:
    """Print the table; return 0 when nothing that is needed is missing, else 1."""
    rows: list[Check] = [
        ("Python", lambda: f"{platform.python_version()} in {sys.prefix}", True),
        ("git", _git, False),
        ("disk", _disk, True),
        ("state folder", _state, True),
        ("configuration", _configuration, True),
    ]
    for room in rooms("commands"):
        rows += getattr(room, "checks", list)()
    table, failed = Table("", "check", "result"), False
    for name, run, needed in rows:
        try:
            table.add_row("[green]✓[/]", name, escape(run()))
        except UserError as error:
            failed |= needed
            table.add_row("[red]✗[/]" if needed else "[yellow]![/]", name, escape(str(error)))
    Console().print(table)
    return int(failed)


def _git() -> str:
    """The commit: runs record it, images are named by it, and an upgrade starts from it."""
    if not shutil.which("git"):
        raise UserError("not on PATH: install git: runs record the commit")
    first = '`git add -A && git commit -m "The start"`, so that runs have a commit to record'
    if not _output("git", "rev-parse", "--git-dir"):
        raise UserError(f"no git repository: `git init`, then {first}")
    commit = _output("git", "rev-parse", "--verify", "--short", "HEAD")
    if not commit:
        raise UserError(f"nothing is committed yet: {first}")
    return f"commit {commit}"


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _disk() -> str:
    free = shutil.disk_usage(".").free / 1e9
    if free < MIN_FREE_GB:
        raise UserError(f"{free:.1f} GB free: make room for {MIN_FREE_GB} GB (`make clean` helps)")
    return f"{free:.0f} GB free"


def _state() -> str:
    path = Path(".mlops") if Path(".mlops").exists() else Path()
    if not os.access(path, os.W_OK):
        raise UserError(f"cannot write to {path.resolve()}: change its owner or its permissions")
    return ".mlops"


def _configuration() -> str:
    loaded = settings.load()
    return f"data.source {loaded.data.source}, registry {loaded.registry.tracking_uri}"
