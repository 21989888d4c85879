"""`make upgrade`: Copier's update, tried in a copy of the project first, with its diff to look at.

It runs in Copier's environment, for an upgrade must work when the project's own does not. Exit
code 0: nothing to do, or done; 1: an error, or conflicts.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from copier import run_update
from copier.errors import UnsafeTemplateError

ANSWERS = Path(".copier-answers.yml")
CHANGES = "docs/changes-of-the-template.md"
REQUEST = Path("build/upgrade.md")  # the text of a pull request
MODEL = ("framework", "task")  # the answers that the owner's code was written for


class UpgradeError(Exception):
    """What stops an upgrade; its text is the one line that the user reads."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make upgrade", description=__doc__)
    parser.add_argument("answers", nargs="*", metavar="KEY=VALUE", help="an answer to change")
    parser.add_argument("--yes", action="store_true", help="do not ask (YES=1)")
    parser.add_argument("--dry-run", action="store_true", help="only show (DRY=1)")
    parser.add_argument("--trust", action="store_true", help="let migrations run (TRUST=1)")
    options = parser.parse_args()
    try:
        upgrade(options.answers, options.yes, options.dry_run, options.trust)
    except UpgradeError as error:
        shown = re.sub(r"(?<=://)[^/\s]+@", "", str(error))  # without a login to the template
        print(f"error: {shown}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def upgrade(answers: list[str], yes: bool, dry_run: bool, trust: bool) -> None:
    given = dict(answer.partition("=")[::2] for answer in answers)
    if unclear := [answer for answer in answers if "=" not in answer]:
        raise UpgradeError(f"{unclear[0]}: an answer is KEY=VALUE, like ci=none")
    if "project_slug" in given:
        raise UpgradeError("project_slug: rename the package by hand: docs/upgrades.md says how")
    if subprocess.run(["git", "rev-parse"], capture_output=True).returncode:
        raise UpgradeError("this is no git repository: run `git init` and commit everything")
    if changed := [line[3:] for line in git(Path(), "status", "--porcelain").splitlines()]:
        raise UpgradeError(f"commit or stash first: {', '.join(changed[:3])} changed")
    REQUEST.unlink(missing_ok=True)
    print("Trying the upgrade in a copy of the project …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        text, version = rehearse(Path(folder) / "copy", given, trust)
    if not text:
        print(f"Nothing to do: this is what the template {version} writes.")
        return
    print(f"\n{text}")
    if dry_run or not (yes or confirmed()):
        print("Nothing was changed. `make upgrade YES=1` applies it.")
        return
    update(Path(), given, trust, version)
    REQUEST.parent.mkdir(exist_ok=True)
    REQUEST.write_text(text)
    if names := unmerged(Path()):
        raise UpgradeError(f"applied, with conflicts to settle in {', '.join(names)}")
    print("Applied. Look at `git diff`, run `make lint test`, and commit.")


def rehearse(copy: Path, given: dict[str, str], trust: bool) -> tuple[str, str]:
    """Upgrade a clone and show its diff: what is new in Markdown, and the template's version."""
    top, prefix = git(Path(), "rev-parse", "--show-toplevel", "--show-prefix").split("\n")[:2]
    git(Path(), "clone", "--quiet", top, str(copy))
    project, before = copy / prefix, recorded(Path())
    update(project, given, trust)
    after, conflicts = recorded(project), unmerged(project)
    if unknown := [key for key in given if key not in after]:
        raise UpgradeError(f"{unknown[0]}: no question of the template; {ANSWERS} lists them")
    git(project, "add", "--all")
    terminal = sys.stdout.isatty()
    colour = f"--color={'always' if terminal and not os.environ.get('NO_COLOR') else 'never'}"
    pager = "--paginate" if terminal else "--no-pager"
    subprocess.run(["git", "-C", project, pager, "diff", "--cached", "--stat", "-p", colour])
    if not git(project, "diff", "--cached", "--name-only"):
        return "", after["_commit"]
    same = before["_commit"] == after["_commit"]
    versions = after["_commit"] if same else f"{before['_commit']} → {after['_commit']}"
    texts = [f"# Template {versions}{', other answers' if same else ''}"]
    if conflicts:
        files = "\n".join(f"- [ ] `{name}`" for name in conflicts)
        texts.append(f"**Conflicts to settle** between `<<<<<<<` and `>>>>>>>`:\n\n{files}")
    texts += [
        f"{key} was {before[key]}, is {after[key]}: your data.py, train.py and tests stay as they "
        "are. Write others, or take a fresh project's: docs/upgrades.md says how."
        for key in MODEL
        if before[key] != after[key]
    ]
    changes = git(project, "diff", "--cached", "-U0", "--", CHANGES).splitlines()
    texts.append("\n".join(line[1:] for line in changes if re.match(r"\+(?!\+\+)", line)))
    texts.append("Made by `make upgrade`; your data.py, train.py and tests are as they were.")
    return "\n\n".join(text.strip() for text in texts if text) + "\n", after["_commit"]


def update(project: Path, given: dict[str, str], trust: bool, version: str | None = None) -> None:
    """`copier update`, its errors in one line each."""
    options = {"defaults": True, "overwrite": True, "quiet": True, "unsafe": trust}
    try:
        run_update(project, data=given, vcs_ref=version, **options)
    except UnsafeTemplateError:
        raise UpgradeError(
            "this version runs a migration, code of the template's hooks/, once on your files: "
            "`make upgrade TRUST=1` lets it"
        ) from None
    except Exception as error:  # Copier's own, git's, and those of the questions' validators
        lines = str(getattr(error, "stderr", "") or error).split("\n")
        reason = " ".join(line.strip(" |") for line in lines if line.strip(" |"))
        source = f"{recorded(Path())['_src_path']} (_src_path in {ANSWERS})"
        raise UpgradeError(f"the template at {source}: {reason}") from None


def recorded(project: Path) -> dict[str, Any]:
    return yaml.safe_load((project / ANSWERS).read_text())  # type: ignore[no-any-return]


def unmerged(project: Path) -> list[str]:
    names = git(project, "diff", "--name-only", "--diff-filter=U", "--relative", "-z")
    return [name for name in names.split("\0") if name]


def confirmed() -> bool:
    return sys.stdin.isatty() and input("Apply it? [y/N] ").strip().lower() in ("y", "yes")


def git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", directory, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise UpgradeError(f"git {arguments[0]}: {' '.join(done.stderr.split())}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
