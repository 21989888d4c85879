"""The page `docs/reference/cli.md`: the commands that the plumbing of projects has.

`python -m tools.cli_page` writes it; a test holds it up to date, and the test of the tutorial
compares it with `--help`.
"""

from typing import Any

from support.questions import ROOT
from tools import introspect

PAGE = ROOT / "docs" / "reference" / "cli.md"
HEAD = """\
# Command line

What the Makefile calls: `.venv/bin/python -m blueprint.cli COMMAND`, in the project's folder.
`make TARGET` is the interface that is kept stable; this is for scripts that cannot use make. The
environment variable `MLOPS_ENV` names the configuration. A command exits with 0 when it did what it
says, with 1 after one line `error: …`, and with 2 for an option that it does not know.

<!-- Written from the commands themselves by `nox -s docs`: change the source, not this page. -->
"""


def commands() -> dict[str, tuple[str, dict[str, Any]]]:
    """Every command by its name, with the answer that brings it ("" for every project)."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    everywhere = set.intersection(*(set(s["commands"]) for _, s in introspect.everything()))
    for answers, says in introspect.everything():
        where = ", ".join(f"`{key}: {value}`" for key, value in answers.items())
        for name, command in says["commands"].items():
            found.setdefault(name, ("" if name in everywhere else where, command))
    return found


def page() -> str:
    parts = [HEAD]
    every = sorted(commands().items(), key=lambda item: (bool(item[1][0]), item[0]))
    for name, (where, command) in every:
        parts += [f"## `{name}`", "", command["says"], ""]
        if where:
            parts += ["Where its answer is given: `make help` lists it there.", ""]
        if command["parameters"]:
            parts += ["| | |", "|---|---|"]
            parts += [f"| `{shown}` | {text} |" for shown, text in command["parameters"]] + [""]
    return "\n".join(parts).rstrip("\n") + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
