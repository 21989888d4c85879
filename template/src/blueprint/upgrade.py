"""`make upgrade`: take the template's newest version, or change answers, after a look at it.

It runs in Copier's environment and needs the standard library alone: an upgrade must work when the
project's own environment does not. Exit code 0: nothing to do, or done; 1: an error, or conflicts.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ANSWERS = Path(".copier-answers.yml")
CHANGES = Path("docs/changes-of-the-template.md")
REQUEST = Path("build/upgrade.md")  # the text of a pull request
MODEL = ("framework", "task")  # the answers that steps/ was written for


class Refusal(Exception):
    """What stops an upgrade; its text is the one line that the user reads."""


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade does to a project: the versions, the files, and where edits meet."""

    before: str
    after: str
    changed: str  # the diff's statistics, a line for each file
    conflicts: list[str]
    news: str  # the template's changelog between the versions, as Markdown
    stale: str = ""  # what the owner's steps no longer fit

    @property
    def title(self) -> str:
        if self.before == self.after:
            return f"Answers changed, template {self.after}"
        return f"Template {self.before} → {self.after}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make upgrade", description=__doc__)
    parser.add_argument("answers", nargs="*", metavar="KEY=VALUE", help="an answer to change")
    parser.add_argument("--yes", action="store_true", help="do not ask (YES=1)")
    parser.add_argument("--dry-run", action="store_true", help="only show (DRY=1)")
    parser.add_argument("--trust", action="store_true", help="let migrations run (TRUST=1)")
    options = parser.parse_args()
    try:
        return upgrade(options.answers, options.yes, options.dry_run, options.trust)
    except Refusal as refusal:
        shown = re.sub(r"(?<=://)[^/\s]+@", "", str(refusal))  # without a login to the template
        print(f"error: {shown}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def upgrade(answers: list[str], yes: bool, dry_run: bool, trust: bool) -> int:
    check_repository()
    check_answers(answers)
    REQUEST.unlink(missing_ok=True)
    arguments = [f"--data={answer}" for answer in answers] + ["--trust"] * trust
    print("Trying the upgrade in a copy of the project …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        found = rehearse(Path(folder) / "copy", arguments, answers)
    if not found.changed:
        print(f"Nothing to do: this is what the template {found.after} writes.")
        return 0
    print(summary(found))
    if dry_run or not (yes or confirmed()):
        print("Nothing was changed. `make upgrade YES=1` takes it.")
        return 0
    copier(Path(), [*arguments, f"--vcs-ref={found.after}"])
    conflicts = unmerged(Path())
    REQUEST.parent.mkdir(exist_ok=True)
    REQUEST.write_text(request(found))
    if conflicts:
        names = ", ".join(conflicts)
        raise Refusal(f"taken, with conflicts to settle between <<<<<<< and >>>>>>> in {names}")
    print("Taken. Look at `git diff`, run `make lint test`, and commit.")
    if found.stale:
        print(found.stale)
    return 0


def check_repository() -> None:
    """Copier tells the user's edits by git, so everything must be committed."""
    if not ANSWERS.exists():
        raise Refusal(f"{ANSWERS} is missing: only a project with its answers can be upgraded")
    if subprocess.run(["git", "rev-parse"], capture_output=True).returncode:
        raise Refusal("this is no git repository: run `git init`, commit everything, try again")
    if dirty := [line[3:] for line in git(Path(), "status", "--porcelain").splitlines()]:
        more = f" and {len(dirty) - 3} more" if len(dirty) > 3 else ""
        raise Refusal(f"commit or stash first: {', '.join(dirty[:3])}{more} changed")


def check_answers(answers: list[str]) -> None:
    """Copier takes an answer to no question in silence."""
    for answer in answers:
        key, equals, _ = answer.partition("=")
        if not equals:
            raise Refusal(f"{answer}: an answer is KEY=VALUE, like ci=none")
        if key == "project_slug":
            raise Refusal("project_slug: rename the package by hand, docs/upgrades.md says how")


def rehearse(copy: Path, arguments: list[str], answers: list[str]) -> Upgrade:
    """Upgrade a clone at `copy`, show its diff, and say what came of it."""
    top, prefix = git(Path(), "rev-parse", "--show-toplevel", "--show-prefix").split("\n")[:2]
    git(Path(), "clone", "--quiet", top, str(copy))
    project = copy / prefix
    before = recorded(project, "_commit")
    old = {key: recorded(project, key) for key in MODEL}
    copier(project, arguments)
    given = dict(re.findall(r"^(\w+): *(.*)$", (project / ANSWERS).read_text(), re.MULTILINE))
    for key in (answer.partition("=")[0] for answer in answers):
        if key not in given:
            raise Refusal(f"{key}: no question of the template; {ANSWERS} lists them")
    conflicts = unmerged(project)
    git(project, "add", "--all")
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    colour = f"--color={'always' if colours else 'never'}"
    pager = ["--paginate"] if sys.stdout.isatty() else ["--no-pager"]
    sys.stdout.flush()
    subprocess.run(["git", "-C", project, *pager, "diff", "--cached", colour], check=False)
    return Upgrade(
        before,
        recorded(project, "_commit"),
        git(project, "diff", "--cached", "--stat=100", colour).rstrip(),
        conflicts,
        news(project / CHANGES, before) if recorded(project, "_commit") != before else "",
        stale({key: (old[key], recorded(project, key)) for key in MODEL}),
    )


def stale(answers: dict[str, tuple[str, str]]) -> str:
    """What to do where the owner's steps were written for other answers: (before, after) by key."""
    changed = [f"{key} was {old}, is {new}" for key, (old, new) in answers.items() if old != new]
    if not changed:
        return ""
    return (
        f"{', '.join(changed)}: the code in steps/ and tests/steps/ is yours and stays as it was. "
        "Write another, or take that of a fresh project: docs/upgrades.md says how."
    )


def copier(project: Path, arguments: list[str]) -> None:
    """`copier update`; what it refuses is a refusal of ours."""
    command = [sys.executable, "-I", "-m", "copier", "update", "--defaults", "--quiet", *arguments]
    done = subprocess.run([*command, str(project)], capture_output=True, text=True)
    if done.returncode == 0:
        return
    if "potentially unsafe" in done.stderr:
        raise Refusal(
            "this version runs a migration, code of the template's hooks/, once on your files: "
            "`make upgrade TRUST=1` lets it"
        )
    template = f"the template at {recorded(project, '_src_path')} (_src_path in {ANSWERS})"
    if "Local template must be" in done.stderr:
        path = Path(recorded(project, "_src_path"))  # from where the project or its parent is
        near = [each for each in (path, ".." / path) if (each / "copier.yml").is_file()]
        full = near[0].resolve() if near else "its URL or full path"
        raise Refusal(f"{template} is not there: put {full} into that line, commit")
    if git_said := done.stderr.partition("Stderr:")[2]:
        raise Refusal(f"{template} cannot be read: {' '.join(git_said.replace('|', ' ').split())}")
    said = done.stderr.strip().splitlines() or [f"copier ended with {done.returncode}"]
    raise Refusal(re.sub(r"^\w+: ", "", said[-1].strip()))


def recorded(project: Path, key: str) -> str:
    found = re.search(rf"^{key}: *(\S.*)$", (project / ANSWERS).read_text(), re.MULTILINE)
    return found[1] if found else ""


def unmerged(project: Path) -> list[str]:
    names = git(project, "diff", "--name-only", "--diff-filter=U", "--relative", "-z")
    return [name for name in names.split("\0") if name]


def news(changes: Path, before: str) -> str:
    """The changelog's sections that are newer than the version `before`."""
    sections = re.split(r"^(?=## )", changes.read_text(), flags=re.MULTILINE)[1:]
    known = before.lstrip("v").partition("-")[0]
    titles = [section.split()[1] for section in sections]
    return "".join(sections[: titles.index(known)] if known in titles else []).strip()


def summary(found: Upgrade) -> str:
    """What the user reads before the question."""
    parts = [found.title, found.news, found.changed, found.stale]
    if found.conflicts:
        parts.append(
            "Conflicts, where your edits and the template's meet. Both will stand in the file,\n"
            "between <<<<<<< and >>>>>>>: keep what you want, delete the marks, `git add` it.\n"
            + "\n".join(f"  {name}" for name in found.conflicts)
        )
    return "\n" + "\n\n".join(part for part in parts if part) + "\n"


def request(found: Upgrade) -> str:
    """The text of a pull request: what is new, and what is left to settle."""
    parts = [f"# {found.title}"]
    if found.conflicts:
        files = "\n".join(f"- [ ] `{name}`" for name in found.conflicts)
        parts.append(f"**Conflicts to settle** between `<<<<<<<` and `>>>>>>>`:\n\n{files}")
    parts += [found.stale, found.news, "Made by `make upgrade`; the code in `steps/` is as it was."]
    return "\n\n".join(part for part in parts if part) + "\n"


def confirmed() -> bool:
    if not sys.stdin.isatty():
        return False
    return input("Take it? [y/N] ").strip().lower() in ("y", "yes")


def git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", directory, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise Refusal(f"git {arguments[0]}: {' '.join(done.stderr.split())}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
