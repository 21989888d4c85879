"""The template's questions, read from `questions/`: the one place they are written."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "questions"


@dataclass(frozen=True)
class Question:
    """One question as its file states it; `choices` maps what is shown to what is stored."""

    key: str
    file: str
    body: dict[str, Any]

    @property
    def asked(self) -> bool:
        return self.body.get("when") is not False

    @property
    def choices(self) -> dict[str, Any]:
        found = self.body.get("choices") or {}
        if not isinstance(found, dict):
            return {str(value): value for value in found}
        return {
            label: value["value"] if isinstance(value, dict) else value
            for label, value in found.items()
        }

    def refusal(self, answers: dict[str, Any]) -> str:
        """Why the answer to this question does not go with the others; "" when it does."""
        for choice in (self.body.get("choices") or {}).values() if self.conditional else ():
            if isinstance(choice, dict) and choice["value"] == answers.get(self.key):
                return Environment().from_string(choice["validator"]).render(answers)
        return ""

    @property
    def conditional(self) -> bool:
        """Whether a choice depends on earlier answers."""
        choices = self.body.get("choices")
        return isinstance(choices, dict) and any(isinstance(c, dict) for c in choices.values())


def load() -> dict[str, Question]:
    """Every question in the order `copier.yml` includes the files."""
    included = [
        line.split()[1]
        for line in (ROOT / "copier.yml").read_text().splitlines()
        if line.startswith("!include ")
    ]
    questions = {}
    for name in included:
        for key, body in yaml.safe_load((ROOT / name).read_text()).items():
            questions[key] = Question(key, name, body)
    return questions


def axes() -> dict[str, list[Any]]:
    """The asked questions that have choices, with the values a project can store."""
    return {key: list(q.choices.values()) for key, q in load().items() if q.asked and q.choices}


def default_answers(**answers: Any) -> dict[str, Any]:
    """What `copier copy --defaults` answers, derived values included, with these in their place."""
    found: dict[str, Any] = {"project_slug": "digit-recognition", **answers}
    for key, question in load().items():
        if key in found:
            continue
        found[key] = question.body["default"]
        if not question.asked and question.body["type"] in ("str", "bool"):
            text = Environment().from_string(found[key]).render(found)
            found[key] = text == "True" if question.body["type"] == "bool" else text
    return found


def check_answers(answers: dict[str, Any]) -> None:
    """Refuse what Copier accepts in silence: an answer to no question, or outside the choices."""
    questions = {key: q for key, q in load().items() if q.asked}
    for key, value in answers.items():
        if key not in questions:
            raise ValueError(f"{key}: not one of the questions {', '.join(questions)}")
        choices = list(questions[key].choices.values())
        if choices and value not in choices:
            raise ValueError(f"{key}: {value!r} is not one of {choices}")


def allowed(answers: dict[str, Any]) -> bool:
    """Whether these answers, a few or all, go together."""
    return not any(
        question.refusal(answers) for question in load().values() if question.key in answers
    )


def combinations(*keys: str) -> list[dict[str, Any]]:
    """Every combination of the answers to these questions that the template allows."""
    values = axes()
    rows = [
        dict(zip(keys, row, strict=True)) for row in itertools.product(*(values[k] for k in keys))
    ]
    return [row for row in rows if allowed(row)]


def pairwise(
    values: dict[str, list[Any]], allowed: Callable[[dict[str, Any]], bool] = lambda row: True
) -> list[dict[str, Any]]:
    """Few rows that hold every allowed pair of values of two axes; the first row is the defaults.

    Greedy and deterministic: each row starts from a pair not yet seen, and every other axis takes
    the value that brings most new pairs.
    """
    rows = [{axis: choices[0] for axis, choices in values.items()}]
    left = [
        {a: x, b: y}
        for a, b in itertools.combinations(values, 2)
        for x, y in itertools.product(values[a], values[b])
        if allowed({a: x, b: y})
    ]
    while left := [pair for pair in left if not pair.items() <= rows[-1].items()]:
        row = dict(left[0])
        for axis in [axis for axis in values if axis not in row]:
            choices = [value for value in values[axis] if allowed({**row, axis: value})]
            row[axis] = max(choices, key=lambda value: _new_pairs(left, row, axis, value))
        rows.append(row)
    return rows


def _new_pairs(left: list[dict[str, Any]], row: dict[str, Any], axis: str, value: Any) -> int:
    """How many of the pairs not yet seen the row would hold if `axis` took `value`."""
    grown = {**row, axis: value}.items()
    return sum(axis in pair and pair.items() <= grown for pair in left)
