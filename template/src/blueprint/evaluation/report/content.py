"""What a report says, before it has a form: sections of blocks. `render` gives them one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Cell:
    """A cell of a table that is good or bad, or a share (0 to 1) that a bar shows."""

    text: str
    tone: Literal["", "good", "bad"] = ""
    share: float | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Note:
    """A quiet paragraph: how to read what stands beside it."""

    form: ClassVar = "note"
    text: str


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first column names the row, the columns `numbers` are set to the right."""

    form: ClassVar = "table"
    head: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    numbers: Sequence[int] = ()


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix, (classes, classes): rows are true, columns predicted classes."""

    form: ClassVar = "matrix"
    classes: Sequence[str]
    counts: NDArray[np.int64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """Each count as a share of its row."""
        return np.asarray(self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1))


@dataclass(frozen=True)
class Figure:
    """A plot for the page alone; `draw` gives its SVG. `alt` says what it shows."""

    title: str
    alt: str
    draw: Callable[[], str]


@dataclass(frozen=True)
class Figures:
    """Plots side by side."""

    form: ClassVar = "figures"
    figures: Sequence[Figure]


@dataclass(frozen=True)
class GalleryItem:
    """A PNG with its description, and what is written under it."""

    png: bytes
    alt: str
    title: str
    note: str


@dataclass(frozen=True)
class Gallery:
    """Small pictures, for the page alone."""

    form: ClassVar = "gallery"
    items: Sequence[GalleryItem]


@dataclass(frozen=True)
class Picture:
    """A PNG: a file beside the Markdown, and part of the page."""

    form: ClassVar = "picture"
    path: Path
    alt: str


@dataclass(frozen=True)
class Code:
    """A command, or its output."""

    form: ClassVar = "code"
    text: str


@dataclass(frozen=True)
class Link:
    """A file beside the report."""

    form: ClassVar = "link"
    file: str
    text: str


Width = Literal["full", "half", "wide", "narrow"]
Block = str | Note | Table | Matrix | Figures | Gallery | Picture | Code | Link


@dataclass(frozen=True)
class Section:
    """A heading and its blocks. Its width is that of the page, or a part that others fill up."""

    title: str
    blocks: Sequence[Block]
    width: Width = "full"


@dataclass(frozen=True)
class Report:
    """A title, a line of `facts` (date, commit, ...), and sections, of which the first has the
    verdict."""

    title: str
    facts: Sequence[str]
    accepted: bool
    sections: Sequence[Section]


def shorten(value: Any, longest: int = 24) -> str:
    """A value of a data set in few characters; a missing one is a dash.

    Numbers keep four digits, integers all of theirs; of an array only its shape is shown.
    """
    if isinstance(value, np.ndarray):
        return f"{' × '.join(map(str, value.shape))} numbers"
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, str):
        return (value if len(value) <= longest else f"{value[: longest - 1]}…") or "–"
    if value is None or value != value:
        return "–"
    integer = float(value).is_integer() or abs(value) >= 1e4
    text = f"{value:.0f}" if integer and abs(value) < 1e15 else f"{value:.4g}"
    return text.replace("-", "−")
