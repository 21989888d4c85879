"""Are rows of the test set in the training set too?"""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ..data import Dataset
from ..data.hashing import shares


def count_overlap(test: Dataset, train: Dataset) -> int:
    """The number of test rows with the features of a training row, whatever their labels.

    Memory holds one hash a test row, of 53 bits: with ten million rows, a fifth of them in the test
    set, the chance that two different ones are taken for equal is one in 500.
    """
    hashes = [np.zeros(0), *_hashes(test)]
    known, rows = np.unique(np.concatenate(hashes), return_counts=True)
    if not len(known):
        return 0
    found = np.zeros(len(known), bool)
    for batch in _hashes(train):
        place = np.minimum(np.searchsorted(known, batch), len(known) - 1)
        found[place[known[place] == batch]] = True
    return int(rows[found].sum())


def _hashes(dataset: Dataset) -> Iterator[NDArray[np.float64]]:
    """One number a row, (n,) a batch; columns count by their names, in any order."""
    for features, _ in dataset.batches(rows=65_536):
        yield shares(_series(features[name]) for name in sorted(features))


def _series(values: NDArray[np.generic]) -> pl.Series:
    return pl.Series(values, dtype=pl.String if values.dtype == object else None)
