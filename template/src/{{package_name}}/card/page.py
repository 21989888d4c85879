"""The card as one HTML page."""

import base64
from collections.abc import Sequence
from html import escape

from ..evaluation.report.page import Html, document, section, table
from .content import Block, Code, Link, Picture, Section, Table


def render(title: str, sections: Sequence[Section], accepted: bool) -> str:
    """The whole card, its first section the verdict. The files that it links lie beside it."""
    word = "accepted" if accepted else "rejected"
    kinds = [f"verdict {word}", *[""] * (len(sections) - 1)]
    parts = [
        section(part.title, "".join(map(_block, part.blocks)), kind)
        for part, kind in zip(sections, kinds, strict=True)
    ]
    return document(title, accepted, parts, "card")


def _block(block: Block) -> str:
    match block:
        case Table():
            rows = [[_cell(cell) for cell in row] for row in block.rows]
            return table(block.head, rows, numbers=block.numbers)
        case Code(text):
            return f"<pre>{escape(text)}</pre>"
        case Picture(path, text):
            content = base64.b64encode(path.read_bytes()).decode()
            return f'<img src="data:image/png;base64,{content}" alt="{escape(text)}">'
        case Link(file, text):
            return f'<p><a href="{escape(file)}">{escape(text)}</a></p>'
    return f"<p>{escape(block)}</p>"


def _cell(text: str) -> str:
    kind = {"✓": "pass", "✗": "fail"}.get(text[:1])
    return Html(f'<span class="{kind}">{escape(text)}</span>') if kind else text
