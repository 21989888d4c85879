"""A real bare repository, which git's plumbing changes: what a Git host keeps."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

WHO = {f"GIT_{who}_{key}": "a@b" for who in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
# Hosts that are reached by git itself protect a branch in their own hook.
HOOK = """#!/bin/sh
grep -qxF "$1" protected 2>/dev/null || exit 0
echo "$1 takes changes by a review alone" >&2
exit 1
"""


class Bare:
    """The repository: its branch main has one commit, with one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        subprocess.run(
            ["git", "init", "--quiet", "--bare", "--initial-branch=main", "--template=", path],
            check=True,
        )
        (path / "hooks").mkdir()
        (path / "hooks" / "update").write_text(HOOK)
        (path / "hooks" / "update").chmod(0o755)
        self.push("main", {"README.md": "a project\n"})

    def git(self, *arguments: str, text: str | None = None, **variables: str) -> str:
        """What git prints; CalledProcessError where it fails."""
        done = subprocess.run(
            ["git", "--git-dir", self.path, *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | WHO | variables,
        )
        return done.stdout

    def has(self, *arguments: str) -> bool:
        """Whether git succeeds."""
        try:
            self.git(*arguments)
        except subprocess.CalledProcessError:
            return False
        return True

    def head(self, branch: str) -> str | None:
        ref = f"refs/heads/{branch}"
        return self.git("rev-parse", ref).strip() if self.has("rev-parse", "-q", ref) else None

    def is_commit(self, commit: str) -> bool:
        return self.has("cat-file", "-e", commit + "^{commit}")

    def show(self, commit: str, path: str) -> str | None:
        """A file's text at a commit or branch."""
        at = f"{commit}:{path}"
        return self.git("show", at) if self.has("cat-file", "-e", at) else None

    def log(self, *query: str) -> list[str]:
        return self.git("log", "--format=%H", *query).split()

    def tree(self, base: str | None, files: Mapping[str, str]) -> str:
        """The tree of a commit or tree, with other texts of some files."""
        with tempfile.TemporaryDirectory() as folder:
            index = str(Path(folder) / "index")
            if base:
                self.git("read-tree", base, GIT_INDEX_FILE=index)
            for path, text in files.items():
                blob = self.git("hash-object", "-w", "--stdin", text=text).strip()
                entry = f"100644,{blob},{path}"
                self.git("update-index", "--add", "--cacheinfo", entry, GIT_INDEX_FILE=index)
            return self.git("write-tree", GIT_INDEX_FILE=index).strip()

    def commit(self, tree: str, parents: list[str], message: str) -> str:
        options = [part for parent in parents for part in ("-p", parent)]
        return self.git("commit-tree", *options, tree, text=message).strip()

    def point(self, branch: str, new: str, old: str | None) -> bool:
        """Have a branch be at `new` if it is at `old`; whether it was."""
        return self.has("update-ref", f"refs/heads/{branch}", new, old or "0" * 40)

    def push(self, branch: str, files: Mapping[str, str], message: str = "by hand") -> str:
        """What somebody else commits, whatever is protected."""
        at = self.head(branch)
        new = self.commit(self.tree(at, files), [at] if at else [], message)
        assert self.point(branch, new, at)
        return new

    def merge(self, branch: str, base: str, squash: bool) -> str:
        """Merge a branch as a host does, and delete it; the new head of `base`."""
        ours, theirs = str(self.head(base)), str(self.head(branch))
        tree = self.git("merge-tree", "--write-tree", ours, theirs).strip()
        new = self.commit(tree, [ours] if squash else [ours, theirs], f"Merge {branch}")
        assert self.point(base, new, ours)
        self.git("update-ref", "-d", f"refs/heads/{branch}")
        return new

    def protect(self, branch: str) -> None:
        """Have reviews alone change a branch."""
        with (self.path / "protected").open("a") as file:
            file.write(f"refs/heads/{branch}\n")

    def is_protected(self, branch: str) -> bool:
        file = self.path / "protected"
        return file.exists() and f"refs/heads/{branch}" in file.read_text().splitlines()
