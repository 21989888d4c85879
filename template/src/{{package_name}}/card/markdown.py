"""The card as Markdown, as GitHub and MLflow read it."""

import re
from collections.abc import Sequence

from .content import Block, Code, Link, Picture, Section, Table

# What Markdown would take for its own; an underscore in a name is none of that.
SPECIAL = re.compile(r"([\\`*\[\]<>|]|\b_|_\b)")


def render(title: str, sections: Sequence[Section]) -> str:
    """The whole card; the files that it names lie beside it."""
    return "\n\n".join([f"# {_escape(title)}", *map(_section, sections)]) + "\n"


def shorten(sections: Sequence[Section], limit: int, end: str) -> str:
    """As many whole sections as `limit` characters hold, without links to files, and `end`."""
    short = ""
    for section in sections:
        blocks = [block for block in section.blocks if not isinstance(block, Link | Picture)]
        text = _section(Section(section.title, blocks)) if blocks else ""
        if len(short) + len(text) + len(end) + 2 > limit:
            break
        short += f"{text}\n\n" if text else ""
    return short + end


def _section(section: Section) -> str:
    return "\n\n".join([f"## {_escape(section.title)}", *map(_block, section.blocks)])


def _block(block: Block) -> str:
    match block:
        case Table():
            return _table(block)
        case Code(text):
            fence = "```"
            while fence in text:
                fence += "`"
            return f"{fence}\n{text}\n{fence}"
        case Picture(path, text):
            return f"![{_escape(text)}]({path.name})"
        case Link(file, text):
            return f"[{_escape(text)}]({file})"
    return _escape(block)


def _table(table: Table) -> str:
    marks = ["---:" if place in table.numbers else "---" for place in range(len(table.head))]
    lines = [[_escape(cell) for cell in row] for row in (table.head, *table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], marks, *lines[1:]])


def _escape(text: str) -> str:
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))
