"""The template's releases, from `releases.yml`, and a repository that has them all.

`python -m tools.releases X.Y.Z` makes the next one: docs/how-to/release.md.
"""

import re
import shutil
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

from support.questions import ROOT
from support.rendering import commit, git, tracked_files

FILE = ROOT / "releases.yml"
CHANGELOG = ROOT / "CHANGELOG.md"


@dataclass(frozen=True)
class Release:
    version: str
    commit: str
    date: str

    @property
    def tag(self) -> str:
        return f"v{self.version}"


def load() -> list[Release]:
    """Every release, oldest first."""
    return [Release(**entry) for entry in yaml.safe_load(FILE.read_text())]


def coming() -> str:
    """The tag under which tests release the working tree: the next patch, or the version that it
    already has a migration to.
    """
    major, minor, patch = numbers(load()[-1].version)
    migrations = re.findall(r"^  - version: v([\d.]+)$", (ROOT / "copier.yml").read_text(), re.M)
    newest = max([(major, minor, patch + 1), *map(numbers, migrations)])
    return "v" + ".".join(map(str, newest))


def numbers(version: str) -> tuple[int, ...]:
    """A version as one that compares."""
    return tuple(int(part) for part in version.split("."))


def history(directory: Path) -> Path:
    """A clone with the tag of every release, and the working tree on top as `coming()`.

    Raises `LookupError` where the commits are not here, as in a shallow clone.
    """
    git(ROOT, "clone", "--quiet", "--no-tags", str(ROOT), str(directory))
    for release in load():
        if release.commit not in git(directory, "rev-list", "HEAD").split():
            raise LookupError(
                f"the commit of release {release.version} is not in this clone's history: "
                "git fetch --unshallow"
            )
        git(directory, "tag", release.tag, release.commit)
    git(directory, "rm", "-rq", "--ignore-unmatch", ".")
    for name in tracked_files():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, directory / name)
    git(directory, "add", "-A", "--force")
    commit(directory, "The working tree")
    git(directory, "tag", coming())
    return directory


def prepare(version: str) -> str:
    """Commit the release `version`, then its line in `releases.yml`; return the commit to tag.

    Raises `ValueError` for a version that is not the next, a tree with changes, or a changelog that
    says nothing.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"{version}: a version is three numbers, like 1.4.0")
    last = load()[-1].version
    if numbers(version) <= numbers(last):
        raise ValueError(f"{version}: the last release is {last}, the next one comes after it")
    if git(ROOT, "status", "--porcelain"):
        raise ValueError("commit or stash first: a release is what is committed")
    text = CHANGELOG.read_text()
    if "## Unreleased\n" not in text:
        raise ValueError("CHANGELOG.md has no section `## Unreleased`: say what a project gains")
    CHANGELOG.write_text(text.replace("## Unreleased\n", f"## {version}\n"))
    commit(ROOT, f"Release {version}")
    released = git(ROOT, "rev-parse", "HEAD").strip()
    line = f'- {{version: {version}, commit: {released}, date: "{date.today()}"}}\n'
    FILE.write_text(FILE.read_text() + line)
    commit(ROOT, f"releases.yml: {version}")
    return released


if __name__ == "__main__":
    try:
        print(f"git tag v{sys.argv[1]} {prepare(sys.argv[1])}")
    except ValueError as error:
        sys.exit(f"error: {error}")
