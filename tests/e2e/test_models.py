"""Each framework and each task once from a user's data to an answered request; every other pair of
the two trains and exports in the environment that is already there.
"""

import csv
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from support import plumbing, questions
from support.project import Project, environment, get
from support.rendering import Renderings
from support.runs import champion, flat, post, refused
from tools import names

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
        project.make("conformance", f"URL={server.url}")
    predictions: list[object] = json.loads(body)["predictions"]
    return predictions


OTHER_SETS = ("torch_project", "table_project")


@pytest.mark.parametrize(
    "name",
    [*(pytest.param(each, marks=pytest.mark.slow) for each in OTHER_SETS), "number_project"],
)
def test_it_checks_itself(name: str, request: pytest.FixtureRequest) -> None:
    project: Project = request.getfixturevalue(name)
    project.make("lint")
    project.make("test", "ARGS=--ignore=tests/blueprint")


@pytest.mark.parametrize("name", [*OTHER_SETS, "number_project"])
def test_the_plumbing_that_only_its_answers_bring_holds(
    name: str, renderings: Renderings, request: pytest.FixtureRequest
) -> None:
    """The tests that the default project has not."""
    project: Project = request.getfixturevalue(name)
    known = plumbing.collected(project, renderings(plumbing_tests=True))
    if name == "table_project":  # the rest passes in the other project, which is watched, too
        known |= plumbing.collected(project, renderings(**plumbing.WATCHED, plumbing_tests=True))
    if files := plumbing.collected(project) - known - plumbing.VERTEX_RUNS:
        project.make("test", f"ARGS=-q {' '.join(sorted(files))}", timeout=1800)


@pytest.mark.slow
def test_the_plumbing_of_vertex_ai_holds_in_whole_runs(table_project: Project) -> None:
    assert plumbing.collected(table_project) >= plumbing.VERTEX_RUNS
    table_project.make("test", f"ARGS=-q {' '.join(plumbing.VERTEX_RUNS)}", timeout=1800)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*OTHER_SETS, "number_project"])
def test_what_its_answers_decide_holds(
    name: str, renderings: Renderings, request: pytest.FixtureRequest
) -> None:
    """Whole runs: what follows here shows one of each framework in every session."""
    project: Project = request.getfixturevalue(name)
    files = plumbing.decided_by_answers(project)
    if name == "number_project":
        again = plumbing.collected(project) & of_the_table_project(project, renderings)
        files |= again - plumbing.collected(project, renderings(plumbing_tests=True))
    project.make("test", f"ARGS=-q {' '.join(sorted(files))}", timeout=1800)


def of_the_table_project(project: Project, renderings: Renderings) -> set[str]:
    """Those of files and of bulk scoring, which the table project has, too."""
    answers = plumbing.PROJECTS["table_project"]
    return plumbing.collected(project, renderings(**answers, plumbing_tests=True))


def test_pictures_in_folders_are_learned_by_pytorch(torch_project: Project) -> None:
    output = flat(torch_project.make("run").stdout)
    assert "10 classes" in output
    assert champion(torch_project), output
    [probabilities] = answers(torch_project, [[[0] * 8] * 8])
    assert abs(sum(probabilities) - 1) < 1e-3  # type: ignore[call-overload]
    assert list(torch_project.path.glob(".venv/lib/*/site-packages/torch"))
    if "UV_NO_SOURCES" not in os.environ:  # where it is set, PyTorch's own index is not reached
        cuda = torch_project.path.glob(".venv/lib/*/site-packages/nvidia*")
        assert not list(cuda), "a CUDA build"


def test_classes_of_rows_are_learned_by_scikit_learn(table_project: Project) -> None:
    output = flat(table_project.make("run", "ARGS=train.class_weights=true").stdout)
    assert "3 classes" in output
    assert champion(table_project), output
    for probabilities in answers(table_project, ROWS):  # type: ignore[arg-type]
        assert abs(sum(probabilities) - 1) < 1e-3  # type: ignore[call-overload]


def test_a_file_is_scored_as_the_server_scores_its_rows(table_project: Project) -> None:
    if not champion(table_project):
        table_project.make("run")
    rows = [row for row in ROWS for _ in range(2)]
    for number, row in enumerate(rows):
        row = {"id": f"{number:03}", **row}
        rows[number] = row  # what the model does not take is kept
    source = table_project.path / "data" / "new rows.csv"
    with source.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    try:
        shown = table_project.make("batch", f"INPUT={source}", "OUTPUT=build/my scores.csv").stdout
        with (table_project.path / "build" / "my scores.csv").open(newline="") as file:
            scores = list(csv.DictReader(file))
    finally:
        source.unlink()
    assert "6 rows scored with version" in shown
    assert [score["id"] for score in scores] == [f"{number:03}" for number in range(6)]
    instances = [{name: row[name] for name in ROWS[0]} for row in rows]
    with table_project.serve() as server:
        _, body, version = post(server, NAME, {"instances": instances})
        _, described = get(f"{server.url}/v1/models/{NAME}/metadata")
    assert f"version {version} " in shown
    classes = ["cheap", "dear", "fair"]
    assert all(name in described for name in classes)
    for score, answer in zip(scores, json.loads(body)["predictions"], strict=True):
        assert score["prediction"] == classes[answer.index(max(answer))]
        assert float(score["probability"]) == pytest.approx(max(answer), abs=1e-5)
    assert "is there already" in refused(
        table_project, "batch", "INPUT=data/flats.csv", "OUTPUT=build/my scores.csv"
    )


def test_numbers_of_rows_are_learned_by_xgboost(number_project: Project) -> None:
    output = number_project.make("run").stdout
    assert "rmse" in output
    assert champion(number_project), output
    first, second, _ = answers(number_project, ROWS)  # type: ignore[arg-type]
    assert first == pytest.approx(3 * 42 + 100 + 80 * 3, abs=60)
    assert second == pytest.approx(3 * 40 + 30 + 80 * 8, abs=100)
    page = Path(number_project.make("report").stdout.strip().splitlines()[-1])
    assert "squared error" in (number_project.path / page).read_text()


def test_compile_writes_the_pipelines(number_project: Project) -> None:
    number_project.make("compile")
    text = (number_project.path / "build" / "training.yaml").read_text()
    assert next(yaml.safe_load_all(text))["pipelineInfo"]["name"] == NAME


SET_UP = {
    "tensorflow": ("project", "image-classification"),
    "pytorch": ("torch_project", "image-classification"),
    "sklearn": ("table_project", "tabular-classification"),
    "xgboost": ("number_project", "tabular-regression"),
}


@pytest.mark.parametrize("framework", SET_UP)
def test_no_slug_can_hide_an_installed_module(
    framework: str, request: pytest.FixtureRequest
) -> None:
    installed = names.installed(request.getfixturevalue(SET_UP[framework][0]).path)
    assert not installed - names.known(), "write them down: nox -s names"


OTHERS = [
    (row["framework"], row["task"])
    for row in questions.combinations("task", "framework")
    if SET_UP[row["framework"]][1] != row["task"]
]
# The default framework's exports in every session; `nox -s e2e` runs all of them all.
QUICK = pytest.param("tensorflow", "tabular-classification", ("test_export.py",), id="quick")
WHOLE = [
    pytest.param(*pair, plumbing.AGAIN, id="-".join(pair), marks=pytest.mark.slow)
    for pair in OTHERS
]


@pytest.mark.parametrize(("framework", "task", "again"), [QUICK, *WHOLE])
def test_every_other_pair_trains_and_exports(
    framework: str,
    task: str,
    again: tuple[str, ...],
    renderings: Renderings,
    request: pytest.FixtureRequest,
) -> None:
    """Its own tests, by the Python of the project with the same framework."""
    with_it = request.getfixturevalue(SET_UP[framework][0]).path
    python = with_it / ".venv" / "bin" / "python"
    # What is installed there says which pipelines there are.
    batch = yaml.safe_load((with_it / ".copier-answers.yml").read_text())["batch_scoring"]
    asked = {"framework": framework, "task": task, "batch_scoring": batch}
    rendered = renderings(**asked, plumbing_tests=True)
    install = ["uv", "pip", "install", "--quiet", "--python", python, "--group", "training"]
    subprocess.run(install, cwd=rendered, check=True, env=environment())  # what its task adds
    decided = [file for file in plumbing.decided_by_answers(rendered) if Path(file).name in again]
    assert len(decided) == len(again)
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "tests/test_data.py", "tests/test_train.py", *decided],
        cwd=rendered,
        env=environment() | {"PYTHONPATH": os.fspath(rendered / "src")},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
