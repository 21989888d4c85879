"""`cookiecutter.json`, written from the questions: what Cookiecutter asks is what Copier asks.

`python -m tools.cookiecutter` writes it; a static test holds it up to date.
"""

import json
import re
from typing import Any

from support.questions import ROOT, Question, load

FILE = ROOT / "cookiecutter.json"
# Defaults that follow from other answers, in the Jinja that Cookiecutter has: it knows neither
# `regex_replace` nor answers without `cookiecutter.` before them. A test compares the two.
DERIVED = {
    "project_slug": (
        "{% set spaced %}{% for c in cookiecutter.project_name | lower %}"
        "{{ c if c in 'abcdefghijklmnopqrstuvwxyz0123456789' else ' ' }}{% endfor %}{% endset %}"
        "{{ (spaced.split() | join('-')).lstrip('0123456789-')[:40].rstrip('-') or 'ml-project' }}"
    ),
}


def content() -> str:
    asked = [question for question in load().values() if question.asked]
    variables: dict[str, Any] = {question.key: _default(question) for question in asked}
    variables["__prompts__"] = {question.key: _prompt(question) for question in asked}
    return json.dumps(variables, indent=2, ensure_ascii=False) + "\n"


def _default(question: Question) -> Any:
    """What Cookiecutter offers: the choices, the default first, or the default alone."""
    if question.choices:
        values = question.choices.values()
        return question.body["default"] if question.yes_or_no else list(values)
    default = question.body["default"]
    return DERIVED[question.key] if "{" in str(default) else default


def _prompt(question: Question) -> str | dict[str, str]:
    help_text = _plain(question.body["help"])
    if not question.choices or question.yes_or_no:
        return help_text
    reasons = question.reasons()
    labels = {
        str(value): _plain(f"{label} ({reasons[value]})" if value in reasons else label)
        for label, value in question.choices.items()
    }
    return {"__prompt__": help_text, **labels}


def _plain(text: str) -> str:
    """Text that Rich, which prints the prompts, takes for text and not for its markup."""
    return re.sub(r"\[(?=[a-z#/@])", r"\[", text.strip())


if __name__ == "__main__":
    FILE.write_text(content())
