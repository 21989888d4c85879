"""A page and its parts, as HTML text: no script, no request, readable offline and on paper."""

import math
from collections.abc import Collection, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np

TEXT = 24  # characters of a value that are shown


class Html(str):
    """Text that is HTML already, and not to be escaped again."""


def document(title: str, accepted: bool, sections: Sequence[str], kind: str = "") -> str:
    """The whole page of a verdict; with the `kind` "card" in one column, as a model card is."""
    page = Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return page.substitute(
        title=escape(title),
        verdict="accepted" if accepted else "rejected",
        kind=kind,
        sections="\n".join(sections),
    )


def section(title: str, body: str, kind: str = "") -> str:
    """A card of the page; with the `kind` "half", two stand side by side where there is room."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<section{attribute}><h2>{escape(title)}</h2>{body}</section>"


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    kind: str = "",
    numbers: Collection[int] = (),
) -> str:
    """A table whose first column names its rows; the columns in `numbers` are set to the right."""
    sides = [' class="number"' if place in numbers else "" for place in range(len(head))]
    columns = "".join(
        f'<th scope="col"{side}>{escape(name)}</th>' for name, side in zip(head, sides, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row"{sides[0]}>{_cell(name)}</th>'
        + "".join(
            f"<td{side}>{_cell(value)}</td>" for value, side in zip(values, sides[1:], strict=True)
        )
        + "</tr>"
        for name, *values in rows
    )
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{columns}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def shortened(value: Any) -> str:
    """A value of a data set in few characters; a missing one is a dash.

    Numbers keep four digits, integers all of theirs; of an array only its shape is said.
    """
    if isinstance(value, np.ndarray):
        return f"{' × '.join(map(str, value.shape))} numbers"
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, str):
        return (value if len(value) <= TEXT else f"{value[: TEXT - 1]}…") or "–"
    if math.isnan(value):
        return "–"
    whole = float(value).is_integer() or abs(value) >= 1e4
    text = f"{value:.0f}" if whole and abs(value) < 1e15 else f"{value:.4g}"
    return text.replace("-", "−")


def _cell(value: str) -> str:
    return value if isinstance(value, Html) else escape(str(value))
