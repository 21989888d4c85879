"""Make projects of the last release as a user does, and use them: it has gone on working.

`python -m tools.last_release [TEMPLATE] [KEY=VALUE …]`: TEMPLATE is a path or a URL with tags; when
it is not named, the releases of this clone, by `releases.yml`. The answers are those that are
given, or few sets that hold every choice once. The exit code is 1 when a project fails; the others
are tried all the same.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from support import questions, rendering
from support.project import environment
from support.rendering import commit, git
from tools import releases

TARGETS = ("setup", "lint", "test", "run")


def answer_sets() -> list[dict[str, Any]]:
    """Every choice once, but for the data: only the first source needs none of one's own."""
    return [
        {key: value for key, value in row.items() if key != "data_source"}
        for row in questions.rows(1)
    ]


def known(template: Path, answers: dict[str, Any]) -> dict[str, Any]:
    """The answers that a version of the template has questions and choices for."""
    found: dict[str, questions.Question] = {}
    for file in sorted((template / "questions").iterdir()):
        for key, body in yaml.safe_load(file.read_text()).items():
            found[key] = questions.Question(key, file.name, body)
    return {
        key: value
        for key, value in answers.items()
        if key in found and value in found[key].choices.values()
    }


def newest(template: str) -> str:
    """The tag of the last release, as Copier finds it."""
    listed = git(questions.ROOT, "ls-remote", "--tags", "--refs", template)
    numbers = re.findall(r"refs/tags/v(\d+)\.(\d+)\.(\d+)$", listed, re.MULTILINE)
    if not numbers:
        raise LookupError(f"{template} has no tag vX.Y.Z, so there is no release to try")
    return "v" + ".".join(max(numbers, key=lambda parts: [int(part) for part in parts]))


def released(folder: Path) -> str:
    """A clone of this one that ends with its last release, tagged."""
    clone = releases.history(folder)
    git(clone, "tag", "--delete", releases.coming())
    return str(clone)


def use(template: str, project: Path, answers: dict[str, Any]) -> None:
    """Make a project with today's Copier, and call its targets, their output shown."""
    data = [word for key, value in answers.items() for word in ("--data", f"{key}={value}")]
    call("uv", "tool", "run", "copier", "copy", "--defaults", *data, template, str(project))
    git(project, "init", "--quiet")
    commit(project, "The project")
    for target in TARGETS:
        begin = time.monotonic()
        call("make", "-C", str(project), "--no-print-directory", target)
        print(f"── make {target}: {time.monotonic() - begin:.0f} s", flush=True)


def call(*command: str) -> None:
    code = subprocess.run(command, env=environment()).returncode
    if code:
        raise RuntimeError(f"{' '.join(command)}: exit code {code}")


def main(arguments: list[str], folder: Path) -> int:
    rendering.isolate_git_and_copier(folder)
    given = dict(word.split("=", 1) for word in arguments if "=" in word)
    named = next((word for word in arguments if "=" not in word), "")
    try:
        template = named or released(folder / "releases")
        tag = newest(template)
    except LookupError as error:
        sys.exit(f"error: {error}")
    git(folder, "clone", "--quiet", "--branch", tag, template, str(folder / "tag"))
    sets = [given] if given else [known(folder / "tag", answers) for answers in answer_sets()]
    failed = []
    for number, answers in enumerate(sets):
        title = " ".join(f"{key}={value}" for key, value in answers.items())
        print(f"\n── {tag} with {title}", flush=True)
        try:
            use(template, folder / f"project-{number}", answers)
        except RuntimeError as error:
            failed.append(f"{tag} with {title}: {error}")
            print(f"error: {error}", flush=True)
    print(f"\n{tag}: {len(sets) - len(failed)} of {len(sets)} projects work", flush=True)
    for line in failed:
        print(f"error: {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        sys.exit(main(sys.argv[1:], Path(home)))
