"""The tests of the plumbing in a project: which of them are collected there."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from support.project import Project, environment

FOLDER = Path("tests") / "blueprint"
WATCHED = {"observability": True, "drift_monitoring": True}
# The projects of tests/e2e that hold the tests of the plumbing, and their answers.
PROJECTS: dict[str, dict[str, Any]] = {
    "plumbed_project": {},
    "other_project": {
        "framework": "sklearn",
        "data_source": "fashion-mnist",
        "ci": "none",
        **WATCHED,
    },
    "tf_project": {"serving_runtime": "tf-serving"},
    "kserve_project": {
        "platform": "kubeflow",
        "serving_platform": "kserve",
        "framework": "sklearn",
        "serving_extras": "both",
        "ci": "none",
        "gitops": "flux",
        **WATCHED,
    },
    "torch_project": {"framework": "pytorch", "data_source": "files"},
    "table_project": {
        "task": "tabular-classification",
        "framework": "sklearn",
        "data_source": "files",
        "platform": "vertex",
        "serving_platform": "vertex",
        "infrastructure": "terraform",
        "ci": "none",
        "batch_scoring": True,
        "drift_monitoring": True,
    },
    "number_project": {
        "platform": "kubeflow",
        "serving_platform": "kubernetes",
        "task": "tabular-regression",
        "framework": "xgboost",
        "data_source": "sql",
        "serving_runtime": "bentoml",
        "batch_scoring": True,
        "serving_extras": "both",
    },
}
# What the framework and the task decide, and so is run again where these differ.
AGAIN = ("test_training.py", "test_export.py", "test_gate_holds.py")
# Half of the time of the default project's: whole runs, of which tests/e2e has others.
RUNS = {
    "pipelines/test_training.py",
    "targets/test_own_step.py",
    "targets/test_unchanged.py",
}
# The same of Vertex AI: from a submit to an answer of the endpoint, on the loopback service.
VERTEX_RUNS = {str(FOLDER / "vertex" / "test_whole.py")}
LIST = """
import sys
sys.path[:0] = [sys.argv[1] + "/tests/blueprint", sys.argv[1] + "/src"]
import collection
if sys.argv[2:]:
    collection.find_spec = lambda name: True
print(*collection.not_for_this_project(), sep="\\n")
"""


def every(project: Path) -> set[str]:
    """All test files of the plumbing, relative to the project."""
    return {str(path.relative_to(project)) for path in (project / FOLDER).rglob("test_*.py")}


def collected(installed: Project, project: Path | None = None) -> set[str]:
    """Those that pytest collects in `project` (default: the same), with what is installed there."""
    folder = project or installed.path
    return _collected(folder, str(installed.path / ".venv" / "bin" / "python"), "-c", LIST, folder)


def collected_with_all_packages(project: Path) -> set[str]:
    """Those that pytest would collect in `project` were every package of others installed."""
    return _collected(project, sys.executable, "-c", LIST, project, "all")


def _collected(folder: Path, *command: str | Path) -> set[str]:
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
