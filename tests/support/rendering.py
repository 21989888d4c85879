"""Renderings of the working tree, uncommitted and untracked files included."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import copier

from support.questions import ROOT, check_answers

TAG = "v0.1.0"


def git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def tracked_files() -> list[Path]:
    """What the next commit of the template would hold, relative to its root."""
    listed = git(ROOT, "ls-files", "-co", "--exclude-standard", "-z").split("\0")
    return [Path(name) for name in sorted(set(listed)) if name and (ROOT / name).is_file()]


def snapshot(directory: Path) -> Path:
    """Copy the working tree into a git repository of its own, committed and tagged `TAG`."""
    for name in tracked_files():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, directory / name)
    git(directory, "init", "-q", "-b", "main")
    git(directory, "add", "-A", "--force")
    commit(directory, "The working tree")
    git(directory, "tag", TAG)
    return directory


def commit(directory: Path, message: str) -> None:
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "--no-verify", "--allow-empty", "-m", message)


def render(template: Path, project: Path, ref: str = "HEAD", **answers: Any) -> Path:
    """`copier copy` with the default for what is not answered."""
    check_answers(answers)
    copier.run_copy(
        str(template), project, data=answers, defaults=True, vcs_ref=ref, quiet=True, overwrite=True
    )
    return project


def update(project: Path, trust: bool = False, **answers: Any) -> None:
    """`copier update` to the newest release, as a user runs it: in a git repository, committed."""
    check_answers(answers)
    copier.run_update(
        project, data=answers, defaults=True, quiet=True, overwrite=True, unsafe=trust
    )


def once(target: Path, make: Callable[[Path], object]) -> Path:
    """`make(target)` for whichever process asks first; the others wait for it."""
    if not target.exists():
        with target.with_name(f"{target.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                part = target.with_name(f"{target.name}.part")
                make(part)
                part.rename(target)
    return target


class Renderings:
    """Renders each answer set once, in a folder that other processes may use at the same time.
    What it hands out is read, never changed.
    """

    def __init__(self, template: Path, folder: Path) -> None:
        self.template = template
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def __call__(self, **answers: Any) -> Path:
        name = hashlib.sha256(json.dumps(answers, sort_keys=True).encode()).hexdigest()[:12]
        return once(self.folder / name, lambda part: render(self.template, part, **answers))


def files(project: Path) -> list[Path]:
    """Every file of a rendering, relative to it."""
    return sorted(p.relative_to(project) for p in project.rglob("*") if p.is_file())


def isolate_git_and_copier(home: Path) -> None:
    """Keep the machine's git and Copier settings out of the tests, and out of a demo."""
    (home / "gitconfig").write_text(
        "[user]\n  name = Example\n  email = team@example.com\n"
        "[init]\n  defaultBranch = main\n[commit]\n  gpgSign = false\n[tag]\n  gpgSign = false\n"
    )
    (home / "copier-settings.yml").write_text("{}\n")
    os.environ["GIT_CONFIG_GLOBAL"] = str(home / "gitconfig")
    os.environ["GIT_CONFIG_SYSTEM"] = os.devnull
    os.environ["COPIER_SETTINGS_PATH"] = str(home / "copier-settings.yml")
    for name in [name for name in os.environ if name.startswith("GIT_") and "CONFIG" not in name]:
        if name not in ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH"):
            del os.environ[name]
