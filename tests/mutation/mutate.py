"""Mutation testing of the generated project's gate: renders a project, changes `gate.py` in every
small way that mutmut knows, and runs the project's gate tests against each change.

Prints the changes that no test noticed. Fails on one that `tests/mutation/RESULT.md` does not
explain, so that a new gap in the tests is seen.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from support import rendering

RESULT = Path(__file__).with_name("RESULT.md")
CONFIG = """\
[mutmut]
source_paths=src/
only_mutate=src/blueprint/gate.py
timeout_constant=60
pytest_add_cli_args=--noconftest
pytest_add_cli_args_test_selection=tests/blueprint/test_gate.py
    tests/blueprint/test_gate_properties.py
"""


def main(folder: Path) -> int:
    for name in ("home", "template"):
        (folder / name).mkdir()
    rendering.isolate_git_and_copier(folder / "home")
    template = rendering.snapshot(folder / "template")
    project = rendering.render(template, folder / "project", plumbing_tests=True)
    (project / "setup.cfg").write_text(CONFIG)
    mutmut(project, "run", *sys.argv[1:])
    counts, survivors = count(project), list(survivors_of(project))
    print(f"{counts} mutants, {len(survivors)} survived")
    explained = RESULT.read_text()
    new = [diff for diff in survivors if diff not in explained]
    for diff in survivors:
        print(f"\n{'not explained' if diff in new else 'explained'}:\n{diff}")
    if new:
        print(f"\n{len(new)} survivors are not explained in {RESULT.name}: write the missing test")
    return len(new)


def count(project: Path) -> int:
    listed = mutmut(project, "results", "--all", "true", quiet=True)
    return sum(".gate." in line for line in listed.splitlines())


def survivors_of(project: Path) -> Iterator[str]:
    """The changed lines of each mutant that no test noticed, as `mutmut show` has them."""
    for line in mutmut(project, "results", quiet=True).splitlines():
        name, _, status = line.strip().partition(": ")
        if status:  # one that takes too long is not noticed either: nothing in the gate loops
            shown = mutmut(project, "show", name, quiet=True).splitlines()
            yield "\n".join(each for each in shown if each.startswith(("+ ", "- ")))


def mutmut(project: Path, *arguments: str, quiet: bool = False) -> str:
    command = [sys.executable, "-m", "mutmut", *arguments]
    pipe = subprocess.PIPE if quiet else None
    # The path to this folder's modules is not the project's.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=project, env=env, check=True, stdout=pipe, text=True)
    return done.stdout or ""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        sys.exit(main(Path(directory)))
