"""The names that something in a project has already, so that no slug is one.

`nox -s names` writes `questions/python.yml`, Python's own names and the plumbing's, and
`questions/names.yml` (minutes): from what the dependencies resolve to, from the modules that are
installed then, and from the project's own tests. Where a name is missing, the tests say so:
`test_the_dependencies_resolve`, and tests/e2e for modules. `python -m tools.names python` writes
the first file alone.
"""

import json
import re
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Iterable
from pathlib import Path

from support import plumbing, questions, rendering
from support.project import environment

FILE = questions.FOLDER / "names.yml"
HEAD = """\
# Names that are taken in a project: by what its dependencies resolve to, as packages and modules,
# and by its own tests. Written by `nox -s names`, not by hand.
taken_names:
  type: yaml
  when: false
  default: >-
"""
RESERVED = questions.FOLDER / "python.yml"
RESERVED_HEAD = """\
# Names of Python's own, which a package of the project would hide, and the plumbing's package.
# Written by `nox -s names`, not by hand.
reserved_names:
  type: yaml
  when: false
  default: >-
"""
PYTHON = "import keyword as k, sys; print(*sys.stdlib_module_names, *k.kwlist, *k.softkwlist)"
MODULES = "import importlib.metadata as m; print(*m.packages_distributions())"


def normalized(names: Iterable[str]) -> set[str]:
    """Names as PEP 503 compares them, with the underscores that a package of ours would have."""
    found = {re.sub(r"[-_.]+", "_", name).lower() for name in names}
    return {name for name in found if re.fullmatch(r"[a-z][a-z0-9_]*", name)}


def python() -> set[str]:
    """The modules and keywords of every Python that the questions offer."""
    names = {"blueprint", "test"}
    for version in questions.axes()["python_version"]:
        command = ["uv", "run", "--no-project", "--python", version, "python", "-c", PYTHON]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        names |= normalized(done.stdout.split())
    return names


def known() -> set[str]:
    """What the file holds."""
    return set(questions.load()["taken_names"].body["default"].split("'")[1].split())


def locked(project: Path) -> set[str]:
    """The packages of the project's lock, for whatever machine, but for the project's own."""
    packages = tomllib.loads((project / "uv.lock").read_text())["package"]
    return normalized(p["name"] for p in packages if not {"editable", "virtual"} & {*p["source"]})


def installed(project: Path) -> set[str]:
    """The modules in the project's environment, but for the project's own."""
    python = project / ".venv" / "bin" / "python"
    command = [python, "-c", MODULES]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    return normalized(done.stdout.split()) - {path.name for path in (project / "src").iterdir()}


def own(project: Path) -> set[str]:
    """What the plumbing's tests import from folders and files beside them."""
    folder = project / "tests" / "blueprint"
    text = "".join(path.read_text() for path in folder.rglob("*.py"))
    imported = re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)
    there = {path.name.removesuffix(".py") for path in folder.glob("*")}
    return {*imported} & there | {"tests"}


def write(file: Path, head: str, names: set[str]) -> None:
    text = f"{{{{ '{' '.join(sorted(names))}'.split() | tojson }}}}"
    file.write_text(head + textwrap.indent(textwrap.fill(text, 114), "    ") + "\n")


def main() -> None:
    write(RESERVED, RESERVED_HEAD, python())
    if sys.argv[1:] == ["python"]:
        return
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        rendering.isolate_git_and_copier(folder)
        (folder / "template").mkdir()
        template = rendering.snapshot(folder / "template")
        deciding = {
            key: questions.axes()[key]
            for key in ("framework", "serving_runtime", "platform", "data_source")
        }
        names = set()
        for number, row in enumerate(questions.covering(1, deciding, questions.allowed)):
            task = next(r for r in questions.combinations("task", *row) if row.items() <= r.items())
            answers = {**task, **plumbing.WATCHED, "plumbing_tests": True}
            project = rendering.render(template, folder / str(number), **answers)
            sync = ["uv", "sync", "--quiet", "--all-groups", "--no-install-project"]
            subprocess.run(sync, cwd=project, check=True, env=environment())
            names |= locked(project) | installed(project) | own(project)
            print(f"{len(names)} names after {json.dumps(row)}", file=sys.stderr)
    write(FILE, HEAD, names)


if __name__ == "__main__":
    main()
