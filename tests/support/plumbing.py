"""The tests of the plumbing in a project: which of them are collected there."""

import subprocess
from pathlib import Path

from support.project import Project, environment

FOLDER = Path("tests") / "blueprint"
WATCHED = {"observability": True, "drift_monitoring": True}
# What the framework and the task decide, and so is run again where these differ.
AGAIN = ("test_training.py", "test_export.py", "test_gate_holds.py")
# Half of the time of the default project's: whole runs, of which tests/e2e has others.
RUNS = {
    "pipelines/test_training.py",
    "targets/test_own_step.py",
    "targets/test_unchanged.py",
}
LIST = """
import sys
sys.path[:0] = [sys.argv[1] + "/tests/blueprint", sys.argv[1] + "/src"]
import collection
print(*collection.not_for_this_project(), sep="\\n")
"""


def every(project: Path) -> set[str]:
    """All test files of the plumbing, relative to the project."""
    return {str(path.relative_to(project)) for path in (project / FOLDER).rglob("test_*.py")}


def collected(installed: Project, project: Path | None = None) -> set[str]:
    """Those that pytest collects in `project` (default: the same), with what is installed there."""
    folder = project or installed.path
    python = installed.path / ".venv" / "bin" / "python"
    command = [python, "-c", LIST, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    left_out = [str(FOLDER / name) for name in done.stdout.split()]
    return {
        file
        for file in every(folder)
        if not any(file == name or file.startswith(f"{name}/") for name in left_out)
    }


def decided_by_answers(project: Project | Path) -> set[str]:
    """Those whose outcome depends on the framework and the task."""
    folder = project.path if isinstance(project, Project) else project
    return {file for file in every(folder) if Path(file).name in AGAIN}
