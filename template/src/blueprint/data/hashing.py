"""Hashes of values: the same on every machine, from every source, in batches of any size."""

import hashlib
from collections.abc import Iterable
from functools import reduce
from typing import Any

import numpy as np
import polars as pl


def shares(columns: Iterable[pl.Series]) -> np.ndarray:
    """One number in [0, 1) a row, (n,), from its values: equal rows have equal numbers.

    A number counts as the float64 that it is nearest to, whatever its type.
    """
    bits = reduce(lambda before, values: _mix(before) ^ values, map(_hashes, columns))
    # 53 bits fill a double exactly: none is rounded up to 1.
    return np.asarray((bits >> np.uint64(11)) / 2**53)


class Digest:
    """A running SHA-256 of one column's values.

    The lengths of texts have a digest of their own, so that ["1", "23"] is not ["12", "3"].
    """

    def __init__(self) -> None:
        self.values, self.lengths = hashlib.sha256(), hashlib.sha256()
        self.text = False

    def update(self, values: pl.Series) -> None:
        if values.dtype == pl.String:
            self.text = True
            self.values.update("".join(values.to_list()).encode())
            self.lengths.update(_bytes(values.str.len_bytes().cast(pl.UInt64).to_numpy()).data)
        else:
            self.values.update(_bytes(values.to_physical().to_numpy()).data)

    def digest(self) -> bytes:
        return self.values.digest() + (self.lengths.digest() if self.text else b"")


def _hashes(values: pl.Series) -> np.ndarray:
    """64 bits a value, (n,) as uint64."""
    if values.dtype == pl.String:
        texts = values.unique()
        hashes = pl.Series(_blake2b(text.encode() for text in texts))
        return values.replace_strict(texts, hashes, return_dtype=pl.UInt64).to_numpy()
    array = values.to_physical().to_numpy()
    if array.ndim > 1:
        return _blake2b(_bytes(array).reshape(len(array), -1))
    numbers = array.astype(np.float64) + 0.0  # -0.0 becomes 0.0
    numbers[np.isnan(numbers)] = np.nan  # there are many, with other bits
    return _mix(numbers.view(np.uint64))


def _blake2b(values: Iterable[Any]) -> np.ndarray:
    digests = (hashlib.blake2b(value, digest_size=8).digest() for value in values)
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def _mix(bits: np.ndarray) -> np.ndarray:
    """Spread (n,) uint64 evenly: SplitMix64, Steele et al., doi:10.1145/2660193.2660195."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(bits ^ (bits >> np.uint64(31)))


def _bytes(values: np.ndarray) -> np.ndarray:
    """The values' bytes in little-endian order, whatever the machine."""
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).view(np.uint8)
