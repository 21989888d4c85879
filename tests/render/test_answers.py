"""Answers that cannot work are refused, with a line that says why; the rest are seen to matter."""

import itertools
import subprocess
from pathlib import Path

import pytest

from support import questions
from support.project import environment
from support.rendering import Renderings, files, render
from tools import readme

REFUSED = [
    ("project_name", "", "Give the project a name"),
    ("project_name", "   ", "Give the project a name"),
    ("project_name", "a\nb", "one line"),
    ("project_name", "a\u2028b", "one line"),
    ("project_name", "n" * 81, "at most 80"),
    ("project_slug", "", "letter"),
    ("project_slug", "Upper", "lower-case"),
    ("project_slug", "under_score", "lower-case"),
    ("project_slug", "1st", "starts with a letter"),
    ("project_slug", "ends-", "ends with a letter or a digit"),
    ("project_slug", "line\n", "lower-case"),
    ("project_slug", "a" * 41, "at most 40"),
    ("project_slug", "class", '"class"'),
    ("project_slug", "json", '"json"'),
    ("project_slug", "click", '"click"'),  # would depend on itself
    ("project_slug", "typing--extensions", '"typing__extensions"'),  # by PEP 503, the same package
    ("project_slug", "dateutil", '"dateutil"'),  # a module of the package python-dateutil
    ("project_slug", "serving", '"serving"'),  # what the project's own tests import
    ("project_slug", "mlflow", '"mlflow"'),
    ("project_slug", "prometheus-client", '"prometheus_client"'),
    ("description", "", "Describe"),
    ("description", "a\nb", "one line"),
    *(("description", f"a{odd}b", "one line") for odd in "\x1b\x85\u2028\ud83d"),
    ("author_name", " ", "Name a person"),
    ("author_name", "a\u2028b", "one line"),
    ("author_email", "nobody", "name@example.com"),
    ("author_email", 'a"b@example.com', "name@example.com"),
]


def title(value: object) -> str:
    return ascii(value)[:24]


@pytest.mark.parametrize(("key", "value", "reason"), REFUSED, ids=title)
def test_a_wrong_answer_is_refused(
    key: str, value: str, reason: str, template: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=key) as caught:
        render(template, tmp_path / "project", **{key: value})
    line = str(caught.value).removeprefix("Validation error for question ")
    assert reason in line
    assert "\n" not in line.strip()
    assert not (tmp_path / "project").exists() or not files(tmp_path / "project")


@pytest.mark.parametrize(
    ("answers", "key", "reason"),
    [
        ({"task": "image-classification", "framework": "xgboost"}, "framework", "not for pictures"),
        (
            {"task": "tabular-regression", "data_source": "fashion-mnist"},
            "data_source",
            "pictures, not a table",
        ),
    ],
)
def test_answers_that_do_not_go_together_are_refused(
    answers: dict[str, str], key: str, reason: str, template: Path, tmp_path: Path
) -> None:
    assert not questions.allowed(answers)
    with pytest.raises(ValueError, match=f"(?s){key}.*{reason}"):
        render(template, tmp_path / "project", **answers)
    assert not (tmp_path / "project").exists() or not files(tmp_path / "project")


def test_every_free_text_has_a_refused_answer() -> None:
    free = {key for key, q in questions.load().items() if q.asked and not q.choices}
    assert free == {key for key, _, _ in REFUSED}


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Digit Recognition", "digit-recognition"),
        ("3D Shapes!", "d-shapes"),
        ("数字", "ml-project"),
        ("A" * 50, "a" * 40),
        ("x" * 39 + " yz", "x" * 39),
    ],
)
def test_the_slug_follows_from_the_name(name: str, slug: str, renderings: Renderings) -> None:
    answers = (renderings(project_name=name) / ".copier-answers.yml").read_text()
    assert f"project_slug: {slug}\n" in answers


@pytest.mark.parametrize("axis", questions.axes())
def test_every_choice_makes_a_difference(axis: str, renderings: Renderings) -> None:
    """Two choices that write the same project are one choice."""
    rows = questions.rows(2)
    for pair in itertools.combinations(questions.axes()[axis], 2):
        fitting = (r for r in rows if all(questions.allowed({**r, axis: value}) for value in pair))
        row = {key: value for key, value in next(fitting).items() if value != rows[0][key]}
        first, second = (contents(renderings(**{**row, axis: value})) for value in pair)
        assert first != second, pair


def contents(project: Path) -> dict[str, bytes]:
    """Every file but the record of the answers."""
    return {
        str(path): (project / path).read_bytes()
        for path in files(project)
        if path.name != ".copier-answers.yml"
    }


def test_the_default_licence_texts_are_whole(renderings: Renderings) -> None:
    starts = {"Apache-2.0": "Apache License", "MIT": "MIT License", "BSD-3-Clause": "BSD 3-Clause"}
    for value in questions.axes()["license"]:
        text = (renderings(license=value) / "LICENSE").read_text()
        assert starts.get(value, "All rights reserved") in text


def test_the_tree_in_the_readme_is_up_to_date(template: Path, tmp_path: Path) -> None:
    project = render(template, tmp_path / "digit-recognition")
    assert readme.README.read_text() == readme.page(project), "write it again with `make docs`"


@pytest.mark.parametrize(
    ("variables", "arguments", "name"),
    [
        ({}, [], "local"),
        ({"ENV": "/etc/shrc"}, [], "local"),  # what POSIX shells read when they start
        ({"ENV": "stack"}, [], "local"),
        ({"MLOPS_ENV": "stack"}, [], "stack"),
        ({"ENV": "test", "MLOPS_ENV": "test"}, ["ENV=stack"], "stack"),
    ],
)
def test_make_hands_on_the_environment_that_was_typed(
    variables: dict[str, str], arguments: list[str], name: str, renderings: Renderings
) -> None:
    show = "show: ; @echo $$MLOPS_ENV"
    done = subprocess.run(
        ["make", "--eval", show, "show", *arguments],
        cwd=renderings(platform="kubeflow"),
        env=environment() | variables,
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"{name}\n"
    said = "ENV=stack of the environment is not read" in done.stderr
    assert said is (variables == {"ENV": "stack"})
