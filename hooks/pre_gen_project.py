"""The Cookiecutter door: Copier writes the project, with the answers that Cookiecutter asked for.

Cookiecutter fills in the line `CONTEXT = …` and runs this in the new project's empty folder. One
renderer means one result: the files of `copier copy`, in a project that Copier updates. Copier
checks every answer before it writes the first file.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

CONTEXT: dict[str, Any] = json.loads(r"""{{ cookiecutter | jsonify }}""")
# `_min_copier_version` of copier.yml, and no other major version.
COPIER = "copier~=9.10"
# What Copier takes for a git repository without `git+` before it.
GIT = re.compile(r"git@|git\+|https://git(hub|lab)\.com/|.*\.git$")


def main() -> None:
    if any(Path().iterdir()):
        fail(f"there are files in {Path.cwd()}: write into a folder that is there with copier copy")
    try:
        import copier
    except ModuleNotFoundError:
        sys.exit(run_where_copier_is())
    from copier.errors import CopierError
    from plumbum import ProcessExecutionError

    answers = {key: value for key, value in CONTEXT.items() if not key.startswith("_")}
    ref = CONTEXT["_checkout"]
    try:
        written = copier.run_copy(source(), Path.cwd(), data=answers, defaults=True, vcs_ref=ref)
    except ProcessExecutionError as error:  # git's own words
        fail(str(error.stderr).strip().splitlines()[-1])
    except (ValueError, CopierError) as error:
        fail(str(error))
    questions = written.template.questions_data
    recorded = Path(".copier-answers.yml").read_text(encoding="utf-8")
    for key, value in answers.items():
        if key not in questions:
            fail(f"the version written does not ask for {key}: name another one with --checkout")
        asked = re.search(rf"^{key}:", recorded, re.MULTILINE)
        if not asked and value != questions[key].get("default"):
            fail(f"{key} is not asked with these answers: leave {key}={value} out")


def source() -> str:
    """The template as one would tell `copier copy`, so that updates find it from anywhere."""
    named, found = CONTEXT["_template"], CONTEXT["_repo_dir"]
    if named.lower().endswith(".zip"):
        fail("a zip file has no versions to update to: name the template's repository")
    if re.match(r"(gh|gl):", named):
        return named
    if "://" in named or re.match(r"[\w.-]+@[\w.-]+:", named):
        return named if GIT.match(named) else f"git+{named}"
    if named != found:  # an abbreviation of the user's own, or a template that was cloned before
        return origin(found)
    if Path(named).is_absolute():
        return named
    # Cookiecutter has left the folder that it was started in; the shell has noted it.
    path = Path(os.environ.get("PWD", ""), named)
    if not path.joinpath("copier.yml").is_file():
        fail(f"name the template by its full path, not {named}")
    return str(path.resolve())


def origin(clone: str) -> str:
    """Where a clone comes from."""
    command = ["git", "-C", clone, "remote", "get-url", "origin"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        fail(f"{clone}: {done.stderr.strip()}")
    return done.stdout.strip()


def run_where_copier_is() -> int:
    """Run this file by a Python to which uv gives Copier; return the exit code."""
    uv = shutil.which("uv")
    if not uv:
        fail(
            "Copier writes the project, and it is not here: install it beside Cookiecutter"
            " (pip install copier; pipx inject cookiecutter copier), or install uv"
        )
    run = [uv, "run", "--quiet", "--no-project", "--python", ">=3.11", "--with", COPIER]
    return subprocess.run([*run, "python", __file__]).returncode


def fail(reason: str) -> NoReturn:
    sys.exit(f"error: {reason}")


main()
