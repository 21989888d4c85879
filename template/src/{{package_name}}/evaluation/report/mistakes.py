"""The rows that a model is most wrong about, to be looked at by a person."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..plots.images import image_png
from .page import section, shortened, table

PICTURES = 24  # shown at most
ROWS = 12
FEATURES = 8

# The features of the rows with these numbers (k,): arrays (k, *shape) by name.
ReadRows = Callable[[NDArray[np.int64]], Mapping[str, NDArray[Any]]]


class Column(NamedTuple):
    """A column of the table, as text; numbers are set to the right."""

    name: str
    values: Sequence[str]
    numbers: bool = False


def images_of(features: Mapping[str, NDArray[Any]]) -> NDArray[Any] | None:
    """The first feature that is a picture, (k, h, w) or (k, h, w, channels), if there is one."""
    return next((values for values in features.values() if values.ndim in (3, 4)), None)


def as_gallery(
    note: str, pictures: NDArray[Any], words: Sequence[str], captions: Sequence[str]
) -> str:
    """The pictures (k, h, w) or (k, h, w, channels): `words` describe, `captions` (HTML) judge."""
    brightest = float(pictures.max())
    items = "".join(
        f'<li><img alt="{escape(words[k])}" src="data:image/png;base64,'
        f'{b64encode(image_png(picture, brightest)).decode()}">{captions[k]}</li>'
        for k, picture in enumerate(pictures)
    )
    return section(
        "Worst mistakes", f'<p class="note">{escape(note)}</p><ul class="gallery">{items}</ul>'
    )


def as_table(
    note: str,
    rows: NDArray[np.int64],
    columns: Sequence[Column],
    features: Mapping[str, NDArray[Any]],
) -> str:
    """The first of `rows`, by their numbers: what is said of them, and their first features."""
    said = [Column("Row", [str(row) for row in rows], True), *columns]
    for name, values in list(features.items())[:FEATURES]:
        numeric = values.ndim == 1 and values.dtype != object
        said.append(Column(name, [shortened(value) for value in values], numeric))
    if len(features) > FEATURES:
        note += f" The first {FEATURES} of {len(features)} features are shown."
    lines = list(zip(*(column.values for column in said), strict=True))[:ROWS]
    numbers = {place for place, column in enumerate(said) if column.numbers}
    body = table([column.name for column in said], lines, kind="rows", numbers=numbers)
    return section("Worst mistakes", f'<p class="note">{escape(note)}</p>{body}')
