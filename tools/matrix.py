"""The projects that the tests render, and how many combinations of answers they hold.

`python -m tools.matrix` writes `docs/reference/coverage.md`; a static test holds it up to date.
"""

from collections.abc import Iterable
from itertools import combinations
from typing import Any

from support import questions
from support.questions import ROOT

PAGE = ROOT / "docs" / "reference" / "coverage.md"
NAMES = {1: "answers", 2: "pairs", 3: "triples"}
LONGEST_SLUG = "a-name-of-forty-characters-which-is-most"
HARD_TEXT = {  # 🎉 is beyond the BMP: two \u escapes in JSON, which TOML does not know
    "project_name": 'Zoë\'s 🎉 "Digits" & <b>: [100] {{ 7 }} % \\ #1 #',
    "description": '- It\'s "quoted" 🎉: a \\ backslash, {{ 7 * 7 }} {% x %} {# y #} '
    '**<tags>** & &amp; – #ünïcode $HOME `x` %s """',
    "author_name": 'O\'Brien 🎉 "Bob" Çelik: {{ 7 }} # %',
}
HEAD = """\
# Combinations of answers that are tested

<!-- Written from questions/ by `nox -s docs`: change the questions, not this page. -->

The tests derive the projects that they render from the questions, so a new choice is covered
without a new test.

"""


def projects(strength: int = 2) -> list[dict[str, Any]]:
    """Answers of projects that hold every allowed combination of `strength` answers, every model
    with every source of data, and names that are short, long and hard to quote.
    """
    rows = questions.rows(strength)
    models = questions.combinations("task", "framework", "data_source")
    return [
        *rows,
        *(model for model in models if not any(model.items() <= row.items() for row in rows)),
        # Names are no axis, so they ride along: wherever Python differs.
        *({**m, "project_slug": LONGEST_SLUG} for m in questions.combinations("task", "framework")),
        {"project_slug": "ab"},
        HARD_TEXT,
    ]


def coverage(rows: Iterable[dict[str, Any]], strength: int) -> tuple[int, int, int]:
    """How many combinations of so many answers these projects hold; how many the template allows;
    and how many there would be if every answer went with every other.
    """
    values = questions.axes()
    defaults = {key: choices[0] for key, choices in values.items()}
    projects = [{**defaults, **row}.items() for row in rows]
    every = list(questions.parts(strength, values))
    allowed = [part for part in every if questions.allowed(dict(part))]
    held = sum(any(part <= project for project in projects) for part in allowed)
    return held, len(allowed), len(every)


def summary(rows: list[dict[str, Any]]) -> str:
    """One line: `45 projects hold 262 of 262 pairs and 1,400 of 1,513 triples of answers`."""
    found = {name: coverage(rows, strength) for strength, name in NAMES.items() if strength > 1}
    parts = [f"{held:,} of {allowed:,} {name}" for name, (held, allowed, _) in found.items()]
    return f"{len(rows)} projects hold {' and '.join(parts)} of answers"


def page() -> str:
    parts = [HEAD, "| session | projects | pairs of answers | triples of answers |\n"]
    parts.append("|---|---:|---:|---:|\n")
    for session, strength in (("render", 2), ("combinations", 3)):
        rows = projects(strength)
        cells = [f"`nox -s {session}`", f"{len(rows)}"]
        for number in (2, 3):
            held, allowed, _ = coverage(rows, number)
            cells.append(f"{held:,} of {allowed:,}")
        parts.append(f"| {' | '.join(cells)} |\n")
    parts += [CHECKS, *_refused()]
    return "".join(parts)


CHECKS = """
`make test` holds the first. Each of its projects parses, passes its linters and its import
contracts, holds nothing of the template, agrees with itself, has make targets that make
understands, and dependencies that resolve. Files that are the same in several projects are checked
once.

The second takes longer and runs every night: its projects pass the same checks, and each that
differs in its code or its dependencies is installed, checked by mypy, and its pipelines are
compiled.

## What does not go together

The template refuses these pairs, with the reason that it gives; every other pair is in a project
that the tests render.

| answer | with | reason |
|---|---|---|
"""


def _refused() -> list[str]:
    """A row of the table for every pair of answers that no project can have."""
    loaded = questions.load()
    values = questions.axes()
    defaults = {key: choices[0] for key, choices in values.items()}
    lines = []
    for first, second in combinations(values, 2):
        for one in values[first]:
            for other in values[second]:
                pair = {first: one, second: other}
                if not questions.allowed(pair):
                    refusals = [q.refusal({**defaults, **pair}) for q in loaded.values()]
                    reason = "; ".join(dict.fromkeys(filter(None, refusals)))
                    lines.append(f"| `{second}: {other}` | `{first}: {one}` | {reason} |\n")
    return lines


if __name__ == "__main__":
    PAGE.write_text(page())
