"""The template's questions, read from `questions/`: the one place they are written."""

import itertools
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment
from jinja2.meta import find_undeclared_variables

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "questions"


@dataclass(frozen=True)
class Question:
    """One question as its file states it; `choices` maps what is shown to what is stored, the
    default first where it is a yes or no."""

    key: str
    file: str
    body: dict[str, Any]

    @property
    def asked(self) -> bool:
        return self.body.get("when") is not False

    @property
    def choices(self) -> dict[str, Any]:
        if self.yes_or_no:
            default = bool(self.body["default"])
            return {"yes" if value else "no": value for value in (default, not default)}
        found = self.body.get("choices") or {}
        if not isinstance(found, dict):
            return {str(value): value for value in found}
        return {
            label: value["value"] if isinstance(value, dict) else value
            for label, value in found.items()
        }

    @property
    def yes_or_no(self) -> bool:
        return self.asked and self.body["type"] == "bool"

    @property
    def when(self) -> str:
        """The condition on which it is asked; "" where it always is."""
        return str(self.body["when"]) if self.asked and "when" in self.body else ""

    def refusal(self, answers: dict[str, Any]) -> str:
        """Why the answer to this question does not go with the others; "" when it does."""
        if self.when and answers.get(self.key, self.body["default"]) != self.body["default"]:
            known = default_answers(**{**answers, self.key: self.body["default"]})
            if Environment().from_string(self.when).render(known) != "True":
                return "not asked"
        for choice in (self.body.get("choices") or {}).values() if self.conditional else ():
            if isinstance(choice, dict) and choice["value"] == answers.get(self.key):
                return Environment().from_string(choice["validator"]).render(answers)
        return ""

    def conditions(self) -> list[str]:
        """The conditions of its conditional choices, and the one on which it is asked."""
        choices = self.body.get("choices") if self.conditional else None
        found = [c["validator"] for c in (choices or {}).values() if isinstance(c, dict)]
        return [*found, self.when] if self.when else found

    def reasons(self) -> dict[Any, str]:
        """The choices that do not go with every other answer, each with the reason it gives."""
        choices = self.body.get("choices") or {}
        return {
            choice["value"]: re.sub(r"{%.*?%}", "", choice["validator"]).strip()
            for choice in (choices.values() if isinstance(choices, dict) else ())
            if isinstance(choice, dict)
        }

    @property
    def conditional(self) -> bool:
        """Whether a choice depends on earlier answers."""
        choices = self.body.get("choices")
        return isinstance(choices, dict) and any(isinstance(c, dict) for c in choices.values())


@cache
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


def pinned(package: str) -> str:
    """The requirement that the template's own pyproject.toml pins a package with."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    lines = [line for group in groups.values() for line in group]
    return next(line for line in lines if line.partition("==")[0] == package)


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
        kind = question.body["type"]
        if not question.asked and isinstance(found[key], str):
            text = Environment().from_string(found[key]).render(found)
            found[key] = {"bool": text == "True", "yaml": yaml.safe_load(text)}.get(kind, text)
    return found


def check_answers(answers: dict[str, Any]) -> None:
    """Refuse what Copier accepts in silence: an answer to no question, or outside the choices."""
    questions = {key: q for key, q in load().items() if q.asked}
    for key, value in answers.items():
        if key not in questions:
            raise ValueError(f"{key}: not one of the questions {', '.join(questions)}")
        choices = list(questions[key].choices.values())
        if questions[key].yes_or_no:
            choices += ["true", "false"]  # as a command line says it
        if choices and value not in choices:
            raise ValueError(f"{key}: {value!r} is not one of {choices}")


@cache
def _rules() -> list[list[dict[str, Any]]]:
    """For each question that has conditions, what the answers it knows may be together."""
    values, tables = axes(), []
    for question in load().values():
        if conditions := question.conditions():
            known = {question.key}.union(*map(variables, conditions))
            keys = [key for key in values if key in known]
            rows = (
                dict(zip(keys, row, strict=True)) for row in product(*(values[k] for k in keys))
            )
            tables.append([row for row in rows if not question.refusal(row)])
    return tables


@cache
def _deciding() -> set[str]:
    """The questions whose answers decide whether others are allowed."""
    return {key for table in _rules() for key in table[0]}


@cache
def _fits(answers: frozenset[tuple[str, Any]], rule: int = 0) -> bool:
    """Whether the rules from that one on allow these answers, whatever the others are."""
    if rule == len(_rules()):
        return True
    given = dict(answers)
    return any(
        _fits(answers.union(row.items()), rule + 1)
        for row in _rules()[rule]
        if all(given.get(key, value) == value for key, value in row.items())
    )


def variables(condition: str) -> set[str]:
    """The answers that a condition depends on, also by way of derived values."""
    found: set[str] = set()
    for name in find_undeclared_variables(Environment().parse(condition)):
        derived = load().get(name)
        default = derived.body["default"] if derived and not derived.asked else ""
        found |= {name} | (variables(default) if isinstance(default, str) else set())
    return found


def allowed(answers: dict[str, Any]) -> bool:
    """Whether these answers, a few or all, are part of a project that the template writes."""
    return _fits(frozenset((key, answers[key]) for key in answers.keys() & _deciding()))


def combinations(*keys: str) -> list[dict[str, Any]]:
    """Every combination of the answers to these questions that the template allows."""
    values = axes()
    rows = [dict(zip(keys, row, strict=True)) for row in product(*(values[k] for k in keys))]
    return [row for row in rows if allowed(row)]


def covering(
    strength: int,
    values: dict[str, list[Any]],
    allowed: Callable[[dict[str, Any]], bool] = lambda row: True,
) -> list[dict[str, Any]]:
    """Few rows that hold every allowed combination of the values of `strength` axes (2: every
    pair); the first row is the defaults.

    `allowed` says of some answers whether a whole row can have them. Greedy and deterministic: each
    row starts from a combination not yet seen, and every other axis takes the value that brings
    most new ones.
    """
    rows = [{axis: choices[0] for axis, choices in values.items()}]
    left = [part for part in parts(strength, values) if allowed(dict(part))]
    while left := [part for part in left if not part <= rows[-1].items()]:
        row = dict(sorted(left[0], key=lambda answer: list(values).index(answer[0])))
        for axis in [axis for axis in values if axis not in row]:
            choices = [value for value in values[axis] if allowed({**row, axis: value})]
            near = [part for part in left if any(key == axis for key, _ in part)]
            row[axis] = max(choices, key=lambda value: _new(near, {**row, axis: value}))
        rows.append(row)
    return rows


def pairwise(
    values: dict[str, list[Any]], allowed: Callable[[dict[str, Any]], bool] = lambda row: True
) -> list[dict[str, Any]]:
    return covering(2, values, allowed)


def parts(strength: int, values: dict[str, list[Any]]) -> Iterator[frozenset[tuple[str, Any]]]:
    """Every combination of the values of `strength` axes, allowed or not."""
    for keys in itertools.combinations(values, strength):
        for row in product(*(values[key] for key in keys)):
            yield frozenset(zip(keys, row, strict=True))


def _new(left: list[frozenset[tuple[str, Any]]], row: dict[str, Any]) -> int:
    """How many of these combinations the row holds."""
    answers = row.items()
    return sum(part <= answers for part in left)


@cache
def rows(strength: int) -> list[dict[str, Any]]:
    """The answers of few projects that hold every allowed combination of so many answers."""
    return covering(strength, axes(), allowed)
