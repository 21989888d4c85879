"""Each framework and each task once from a user's data to an answered request; every other pair of
the two trains and exports in the environment that is already there.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from blueprint import questions
from blueprint.project import Project, environment
from blueprint.rendering import Renderings
from blueprint.runs import OWN_TESTS, champion, post

NAME = "digit-recognition"
ROWS = [
    {"age": 42, "city": "Mainz", "rooms": 3},
    {"age": None, "city": None, "rooms": 8},
    {"age": 1e9, "city": "Atlantis", "rooms": 0},
]


def answers(project: Project, instances: list[object]) -> list[object]:
    with project.serve() as server:
        shown = project.make("predict", f"PORT={server.port}").stdout
        assert re.search(r"[\d.]+ ms", shown), shown
        status, body, _ = post(server, NAME, {"instances": instances})
        assert status == 200, body
        status, refusal, _ = post(server, NAME, {"instances": [{"age": 1, "city": "Mainz"}]})
        assert status == 400, refusal
        assert "instances[0]" in refusal
    predictions: list[object] = json.loads(body)["predictions"]
    return predictions


@pytest.mark.parametrize("name", ["torch_project", "table_project", "number_project"])
def test_it_checks_itself(name: str, request: pytest.FixtureRequest) -> None:
    project: Project = request.getfixturevalue(name)
    project.make("lint")
    project.make("test", f"ARGS={OWN_TESTS}")


def test_pictures_in_folders_are_learned_by_pytorch(torch_project: Project) -> None:
    output = torch_project.make("run").stdout
    assert "10 classes" in output
    assert champion(torch_project), output
    [probabilities] = answers(torch_project, [[[0] * 8] * 8])
    assert abs(sum(probabilities) - 1) < 1e-3  # type: ignore[call-overload]
    assert list(torch_project.path.glob(".venv/lib/*/site-packages/torch"))
    assert not list(torch_project.path.glob(".venv/lib/*/site-packages/nvidia*")), "a CUDA build"


def test_classes_of_rows_are_learned_by_scikit_learn(table_project: Project) -> None:
    output = table_project.make("run", "ARGS=train.class_weights=true").stdout
    assert "3 classes" in output
    assert champion(table_project), output
    for probabilities in answers(table_project, ROWS):  # type: ignore[arg-type]
        assert abs(sum(probabilities) - 1) < 1e-3  # type: ignore[call-overload]


def test_numbers_of_rows_are_learned_by_xgboost(number_project: Project) -> None:
    output = number_project.make("run").stdout
    assert "rmse" in output
    assert champion(number_project), output
    first, second, _ = answers(number_project, ROWS)  # type: ignore[arg-type]
    assert first == pytest.approx(3 * 42 + 100 + 80 * 3, abs=60)
    assert second == pytest.approx(3 * 40 + 30 + 80 * 8, abs=100)
    page = Path(number_project.make("report").stdout.strip().splitlines()[-1])
    assert "squared error" in (number_project.path / page).read_text()


SET_UP = {
    "tensorflow": ("project", "image-classification"),
    "pytorch": ("torch_project", "image-classification"),
    "sklearn": ("table_project", "tabular-classification"),
    "xgboost": ("number_project", "tabular-regression"),
}
OTHERS = [
    (row["framework"], row["task"])
    for row in questions.combinations("task", "framework")
    if SET_UP[row["framework"]][1] != row["task"]
]


@pytest.mark.parametrize(("framework", "task"), OTHERS)
def test_every_other_pair_trains_and_exports(
    framework: str, task: str, renderings: Renderings, request: pytest.FixtureRequest
) -> None:
    """Its own tests, by the Python of the project with the same framework."""
    python = request.getfixturevalue(SET_UP[framework][0]).path / ".venv" / "bin" / "python"
    rendered = renderings(framework=framework, task=task)
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "tests/steps", "tests/test_training.py"],
        cwd=rendered,
        env=environment() | {"PYTHONPATH": os.fspath(rendered / "src")},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
