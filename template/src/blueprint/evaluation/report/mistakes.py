"""The rows that a model got most wrong, as a table."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blocks import Cell, Note, Section, Table, show

# The features of the rows with these numbers (k,): arrays (k, *shape) by name.
Features = Callable[[NDArray[np.int64]], Mapping[str, NDArray[Any]]]
ROWS, FEATURES = 12, 8  # of the table


def mistakes(
    note: str,
    rows: NDArray[np.int64],
    columns: Mapping[str, Sequence[Any]],
    read_rows: Features,
    total: int,
) -> Section:
    """The first of `rows`, of `total`: their numbers, `columns` and their first features."""
    if not len(rows):
        return Section("Mistakes", [f"None in {total} rows."])
    features = read_rows(rows)
    if len(features) > FEATURES:
        note += f" The first {FEATURES} of {len(features)} features are shown."
    # Pairs: a feature may have the name of one of these columns.
    every: list[tuple[str, Any]] = [
        ("Row", rows),
        *columns.items(),
        *list(features.items())[:FEATURES],
    ]
    numbers = [k for k, (_, v) in enumerate(every) if not isinstance(v[0], str | np.ndarray)]
    lines = [[_cell(v[row]) for _, v in every] for row in range(min(ROWS, len(rows)))]
    return Section(
        "Worst mistakes", [Note(note), Table([name for name, _ in every], lines, numbers)]
    )


def _cell(value: Any) -> str | Cell:
    return value if isinstance(value, Cell) else show(value)
