"""The page `docs/reference/make.md`: `make help` of projects, and which answers add a target.

`python -m tools.make_page` writes it; a static test holds it up to date.
"""

import re
from itertools import product
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from support.questions import ROOT, allowed, axes, default_answers, variables

PAGE = ROOT / "docs" / "reference" / "make.md"
SOURCE = ROOT / "template" / "Makefile.jinja"
PARTS = ROOT / "makefiles"
HELP = re.compile(r"^([a-z-]+):.*?##[+-]? (.*)$", re.MULTILINE)  # as `make help` itself reads it
VARIABLE = re.compile(r"^([A-Z_]+) \?= ?(.*)$", re.MULTILINE)
HEAD = """\
# Make targets

What `make help` lists in a project. Arguments are variables:
`make run ENV=staging ARGS="train.epochs=3"`. A target that an answer makes meaningless is absent.

<!-- Written from template/Makefile.jinja and makefiles/ by `nox -s docs`: change those files. -->
"""


def makefile(**answers: Any) -> str:
    """The Makefile of a project with these answers, and the default for the others."""
    environment = Environment(undefined=StrictUndefined, loader=FileSystemLoader(ROOT))
    return environment.from_string(SOURCE.read_text()).render(default_answers(**answers))


def deciding() -> list[tuple[str, Any]]:
    """Every answer, other than a first one, to the questions that the Makefile asks about, be it by
    a value that follows from them."""
    asked = variables("".join(path.read_text() for path in [SOURCE, *PARTS.iterdir()]))
    return [(key, value) for key, values in axes().items() if key in asked for value in values[1:]]


def place_for(key: str, value: Any) -> dict[str, Any]:
    """The first platform, and what serves there, that let an answer be given, as answers."""
    values = axes()
    pairs = product(values["platform"], values["serving_platform"])
    places = [{"platform": platform, "serving_platform": served} for platform, served in pairs]
    return next(each for each in places if allowed(each | {key: value}))


def page() -> str:
    parts = [HEAD, "## Every project\n", _table(dict(HELP.findall(makefile())))]
    sections: dict[str, list[str]] = {}  # answers that change the same share a section
    for key, value in deciding():
        there = {} if key == "platform" else place_for(key, value)
        default = dict(HELP.findall(makefile(**there)))
        found = dict(HELP.findall(makefile(**there | {key: value})))
        changed = {name: text for name, text in found.items() if default.get(name) != text}
        absent = [f"`{name}`" for name in default if name not in found]
        section = "\n".join(["Added or changed:\n", _table(changed)]) if changed else ""
        section += f"Absent: {', '.join(absent)}.\n" if absent else ""
        sections.setdefault(section, []).append(f"`{key}: {_yaml(value)}`")
    for section, given in sections.items():
        if section:
            parts += [f"## {' or '.join(given)}\n", section]
    texts = [makefile(**(place_for(*each) | dict([each]))) for each in deciding()]
    names = dict.fromkeys(each for text in texts for each in VARIABLE.findall(text))
    listed = ", ".join(f"`{name}`" + (f" (`{value}`)" if value else "") for name, value in names)
    parts += ["## Variables\n", f"With their defaults, where they have one: {listed}.\n"]
    parts.append("`make help` names each beside the targets that take it.\n")
    return "\n".join(parts).rstrip("\n") + "\n"


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _table(targets: dict[str, str]) -> str:
    rows = [f"| `make {name}` | {_shown(text)} |" for name, text in targets.items()]
    return "\n".join(["| target | does |", "|---|---|", *rows, ""])


def _shown(text: str) -> str:
    """A help text, its example as code."""
    return re.sub(r": (make [^(]*[^( ])", r": `\1`", text).replace("|", r"\|")


if __name__ == "__main__":
    PAGE.write_text(page())
