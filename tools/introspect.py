"""What the plumbing of renderings says of itself: the sections of its settings, its commands.

The code is imported, by a Python with what the settings and the command line need. Several
renderings together have every section and command.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from support import questions, rendering
from support.project import environment

# Answers that bring everything which has settings or commands; the first has most of it.
ANSWERS: list[dict[str, Any]] = [
    {
        "task": "tabular-classification",
        "framework": "sklearn",
        "data_source": "sql",
        "platform": "kubeflow",
        "serving_platform": "kubernetes",
        "observability": True,
        "drift_monitoring": True,
        "batch_scoring": True,
        "serving_extras": "both",
        "gitops": "flux",
    },
    {"data_source": "fashion-mnist"},
    {"serving_runtime": "tf-serving"},
    {"platform": "vertex", "serving_platform": "vertex", "infrastructure": "terraform"},
]
SCRIPT = Path(__file__).with_name("describe.py")  # it imports what is not here


@cache
def everything() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """For each of ANSWERS: the answers that differ, and what the plumbing says."""
    found = []
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / "template").mkdir()
        template = rendering.snapshot(folder / "template")
        for number, answers in enumerate(ANSWERS):
            asked = {key: value for key, value in answers.items() if key in questions.axes()}
            project = rendering.render(template, folder / str(number), **asked)
            found.append((asked, describe(project)))
    return found


def describe(project: Path) -> dict[str, Any]:
    """What the plumbing of this rendering says."""
    metadata = tomllib.loads((project / "pyproject.toml").read_text())
    wanted = [*metadata["project"]["dependencies"]]
    groups = metadata["dependency-groups"]
    more = [*groups["local"], *groups["pipeline"]]
    wanted += [line for line in more if line.startswith(("typer", "rich", "polars", "obstore"))]
    date = metadata["tool"]["uv"]["exclude-newer"]
    command = [
        sys.executable,
        "-m",
        "uv",
        "run",
        "--quiet",
        "--no-project",
        "--exclude-newer",
        date,
    ]
    command += ["--python", sys.executable]
    command += [part for each in wanted for part in ("--with", each)] + [
        "python",
        "-P",
        str(SCRIPT),
    ]
    done = subprocess.run(
        command,
        cwd=project,
        env=environment() | {"PYTHONPATH": "src"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result
