"""A report as one HTML page and as Markdown: no script, no request, readable offline."""

import re
from base64 import b64encode
from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from .content import (
    Block,
    Code,
    Figures,
    Gallery,
    Link,
    Matrix,
    Note,
    Picture,
    Report,
    Section,
    Table,
)

# What Markdown would take for its own; an underscore inside a name is none of that.
SPECIAL = re.compile(r"([\\`*\[\]<>|]|\b_|_\b)")


def to_html(report: Report) -> str:
    """The page; only the files that it links lie beside it."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"base64": lambda content: b64encode(content).decode()}
    page = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    return environment.from_string(page).render(report=report)


def to_markdown(report: Report) -> str:
    """The report for GitHub and MLflow, without its plots; the files that it names lie beside."""
    head = [f"# {_escape(report.title)}", _escape(" · ".join(report.facts))]
    return "\n\n".join([*head, *filter(None, map(_section, report.sections))]) + "\n"


def to_short_markdown(sections: Sequence[Section], limit: int, end: str) -> str:
    """As many whole sections as `limit` characters hold, without links to files, and `end`."""
    short = ""
    for section in sections:
        blocks = [block for block in section.blocks if not isinstance(block, Link | Picture)]
        text = _section(Section(section.title, blocks))
        if len(short) + len(text) + len(end) + 2 > limit:
            break
        short += f"{text}\n\n" if text else ""
    return short + end


def _section(section: Section) -> str:
    blocks = [text for text in map(_block, section.blocks) if text]
    return "\n\n".join([f"## {_escape(section.title)}", *blocks]) if blocks else ""


def _block(block: Block) -> str:
    match block:
        case Table():
            return _table(block)
        case Matrix(classes, counts):
            rows = [[name, *map(str, row)] for name, row in zip(classes, counts, strict=True)]
            return _table(Table(["True \\ predicted", *classes], rows, range(1, len(classes) + 1)))
        case Code(text):
            fence = "```"
            while fence in text:
                fence += "`"
            return f"{fence}\n{text}\n{fence}"
        case Picture(path, text):
            return f"![{_escape(text)}]({path.name})"
        case Link(file, text):
            return f"[{_escape(text)}]({file})"
        case Figures() | Gallery():
            return ""
        case Note(text):
            return _escape(text)
    return _escape(block)


def _table(table: Table) -> str:
    marks = ["---:" if column in table.numbers else "---" for column in range(len(table.head))]
    lines = [[_escape(str(cell)) for cell in row] for row in (table.head, *table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], marks, *lines[1:]])


def _escape(text: str) -> str:
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))
