"""The question files are complete, and the answers' helpers refuse what they must."""

import itertools
import keyword
import re
import sys
from pathlib import Path

import pytest
import yaml

from support import questions
from support.rendering import tracked_files
from tools import cookiecutter, matrix, names, reference

QUESTIONS = questions.load()
ASKED = [question for question in QUESTIONS.values() if question.asked]


def test_every_question_file_is_asked() -> None:
    on_disk = {f"questions/{path.name}" for path in questions.FOLDER.iterdir()}
    assert on_disk == {question.file for question in QUESTIONS.values()}


def test_no_question_is_written_twice() -> None:
    keys = [key for path in questions.FOLDER.iterdir() for key in yaml.safe_load(path.read_text())]
    assert sorted(keys) == sorted(QUESTIONS)


@pytest.mark.parametrize("question", ASKED, ids=lambda q: q.key)
def test_an_asked_question_is_whole(question: questions.Question) -> None:
    assert {"type", "default", "help"} <= question.body.keys()
    assert question.body["help"].strip().endswith(".")
    if question.choices:
        assert len(question.choices) > 1, "a question with one choice is not a question"
        assert question.body["default"] == next(iter(question.choices.values())), "default first"
    elif question.body["type"] != "bool":
        assert "validator" in question.body, "free text needs a validator"


@pytest.mark.parametrize("question", ASKED, ids=lambda q: q.key)
def test_a_question_fits_a_terminal(question: questions.Question) -> None:
    """Copier cuts what does not fit 80 columns, its own signs included."""
    for line in question.body["help"].strip().splitlines():
        assert len(line) <= 77, line
    for title, value in question.choices.items():
        choices = question.body.get("choices")  # none where it is a yes or no
        choice = choices[title] if isinstance(choices, dict) else value
        reason = choice.get("validator", "") if isinstance(choice, dict) else ""
        why = re.sub(r"{%.*?%}", "", reason, flags=re.DOTALL).strip()
        shown = f"    - {title} ({why})" if why else f"    {title}"
        assert len(shown) <= 78, f"{value}: {shown}"


def test_few_are_asked_for_a_laptop() -> None:
    asked = [question for question in ASKED if question.body.get("when", True) is True]
    assert len(asked) <= 17  # docs/decisions/0016


def test_a_derived_value_is_used() -> None:
    """A value nobody reads is a dead branch."""
    read = [path for path in tracked_files() if path.parts[0] in ("questions", "template")]
    names = "".join(map(str, read))
    texts = [(questions.ROOT / path).read_text() for path in read]
    for question in QUESTIONS.values():
        if not question.asked:
            uses = names.count(question.key) + sum(text.count(question.key) for text in texts)
            assert uses > 1, f"{question.key} is written and never read"


def test_reserved_names_hold_what_python_uses() -> None:
    reserved = set(QUESTIONS["reserved_names"].body["default"].split("'")[1].split())
    assert not names.normalized([*sys.stdlib_module_names, *keyword.kwlist]) - reserved
    assert "blueprint" in reserved
    assert not reserved & names.known()


def test_rows_hold_every_pair() -> None:
    axes = {"a": [1, 2, 3], "b": ["x", "y"], "c": [True, False], "d": [1, 2, 3, 4]}
    rows = questions.covering(2, axes)
    assert rows[0] == {"a": 1, "b": "x", "c": True, "d": 1}
    assert len(rows) <= 16
    for (a, xs), (b, ys) in itertools.combinations(axes.items(), 2):
        seen = {(row[a], row[b]) for row in rows}
        assert seen == set(itertools.product(xs, ys))


def test_rows_hold_every_triple() -> None:
    axes = {"a": [1, 2, 3], "b": ["x", "y"], "c": [True, False], "d": [1, 2]}
    rows = questions.covering(3, axes)
    assert len(rows) < 24
    for keys in itertools.combinations(axes, 3):
        seen = {tuple(row[key] for key in keys) for row in rows}
        assert seen == set(itertools.product(*(axes[key] for key in keys)))


def test_rows_hold_only_what_goes_together() -> None:
    axes = {"a": [1, 2], "b": ["x", "y"], "c": [True, False]}
    rows = questions.covering(2, axes, lambda row: not {"a": 2, "b": "y"}.items() <= row.items())
    assert {(row["a"], row["b"]) for row in rows} == {(1, "x"), (1, "y"), (2, "x")}


def test_every_conditional_choice_is_refused_somewhere() -> None:
    """A condition that never holds is a typing mistake."""
    for question in ASKED:
        if question.conditional:
            others = [q for q in ASKED if q.choices and q.key != question.key]
            found = {
                question.refusal({question.key: value, other.key: given})
                for value in question.choices.values()
                for other in others
                for given in other.choices.values()
            }
            assert found - {""}, question.key


@pytest.mark.parametrize(
    "answers", [{"frameworks": "sklearn"}, {"framework": "Sklearn"}, {"package_name": "other"}]
)
def test_the_harness_refuses_a_wrong_answer(answers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(answers))):
        questions.check_answers(answers)


def test_the_reference_page_is_up_to_date() -> None:
    assert reference.PAGE.read_text() == reference.page(), "write it again with `make docs`"


def test_cookiecutter_asks_what_copier_asks() -> None:
    assert cookiecutter.FILE.read_text() == cookiecutter.content(), (
        "write it again with `make docs`"
    )


def test_the_coverage_page_is_up_to_date() -> None:
    assert matrix.PAGE.read_text() == matrix.page(), "write it again with `make docs`"


@pytest.mark.parametrize("strength", [2, 3])
def test_the_matrix_holds_every_combination(strength: int) -> None:
    rows = matrix.projects(strength)
    held, allowed, every = matrix.coverage(rows, strength)
    assert held == allowed < every
    assert all(questions.allowed(row) for row in rows)
    assert matrix.coverage(rows[1:9], strength)[0] < held


def test_some_answers_are_allowed_when_the_others_can_follow() -> None:
    """A choice that goes with some answers goes with each of the others' choices somewhere."""
    for question in ASKED:
        for value in question.reasons():
            assert questions.allowed({question.key: value}), question.key
            row = next(row for row in questions.rows(2) if row[question.key] == value)
            assert not any(other.refusal(row) for other in ASKED)


def test_copier_yml_fits_one_screen() -> None:
    lines = Path(questions.ROOT / "copier.yml").read_text().splitlines()
    assert len(lines) <= 50
    assert not any(line.startswith(("_tasks", "_jinja_extensions")) for line in lines)
