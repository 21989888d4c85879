"""What a report is made of, before page.html or section.md gives it a form."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...text import shorten
from .plots import Figure


class Cell(NamedTuple):
    """A text that is good, bad, a hit or a miss; `share` (0 to 1) is its bar or its shade."""

    text: str
    tone: str = ""
    share: float | None = None


class Table(NamedTuple):
    """Rows of cells; the first column names the row, the columns `numbers` are set to the right.

    `form` is "pairs" for names with their values, "matrix" for a confusion matrix.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    numbers: Sequence[int] = ()
    form: str = "table"


class Block(NamedTuple):
    """A text, plots or pictures of one `form`: "note" tells quietly how to read what is beside it,
    "code" is a command or its output, "link" names a file beside the report; "figures" and
    "gallery" are for the page alone."""

    form: str
    text: str = ""
    file: str = ""
    shown: Sequence[Any] = ()


def note(text: str) -> Block:
    return Block("note", text)


def figures(*plots: Figure) -> Block:
    return Block("figures", shown=plots)


class Picture(NamedTuple):
    """A PNG in Base64, what it shows, and what is written under it."""

    png: str
    alt: str
    title: str
    note: str


class Section(NamedTuple):
    """A title and its blocks; the page sets `half` sections beside each other, and in `split` ones
    the plots beside the rest."""

    title: str
    blocks: Sequence[Any]
    width: str = "full"


def pairs(values: Mapping[str, Any]) -> Table:
    """Names with their values, without what is not known."""
    rows = [(name, str(value)) for name, value in values.items() if value not in (None, "")]
    return Table(("Property", "Value"), rows, form="pairs")


def show(value: Any, width: int = 24) -> Any:
    """A value of a data set in few characters; a missing one is a dash, a cell stays a cell.

    Numbers keep four digits, integers all of theirs; of an array only its shape is shown.
    """
    if isinstance(value, Cell):
        return value
    if isinstance(value, np.ndarray):
        return f"{' × '.join(map(str, value.shape))} numbers"
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, str):
        return shorten(value, width) or "–"
    if value is None or value != value:
        return "–"
    integer = float(value).is_integer() or abs(value) >= 1e4
    text = f"{value:.0f}" if integer and abs(value) < 1e15 else f"{value:.4g}"
    return text.replace("-", "−")
