"""The page `docs/reference/questions.md`, written from the questions.

`python -m tools.reference` writes it; a static test holds it up to date.
"""

from support.questions import ROOT, Question, load

PAGE = ROOT / "docs" / "reference" / "questions.md"
HEAD = """\
# Questions

What `copier copy` asks, in its order. Every answer has a default that works, so
`copier copy --defaults` asks nothing, and `--data KEY=VALUE` answers one question. All answers but
`project_slug` can be changed later with `copier update --data KEY=VALUE`.

<!-- Written from questions/ by `nox -s docs`: change the questions, not this page. -->
"""


def page() -> str:
    parts = [HEAD]
    file = ""
    for question in load().values():
        if not question.asked:
            continue
        if question.file != file:
            file = question.file
            parts.append(f"## {file.removeprefix('questions/').removesuffix('.yml').title()}\n")
        parts.append(_section(question))
    return "\n".join(parts)


def _section(question: Question) -> str:
    default = question.body["default"]
    shown = "derived from the answers above it" if "{{" in str(default) else f"`{default}`"
    if question.yes_or_no:
        shown = "`true` (yes)" if default else "`false` (no)"
    lines = [f"### `{question.key}`\n", f"{question.body['help'].strip()}\n"]
    if not question.choices or question.yes_or_no:
        return "\n".join([*lines, f"Default: {shown}\n"])
    lines += ["| answer | means |", "|---|---|"]
    for label, value in question.choices.items():
        mark = " (default)" if value == default else ""
        meaning = f" {label} " if label != value else " "
        lines.append(f"| `{value}`{mark} |{meaning}|")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())
