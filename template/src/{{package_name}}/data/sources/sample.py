"""1,797 handwritten digits, 8 × 8 pixels, which ship inside scikit-learn: no network needed.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
"""

import numpy as np
import polars as pl

DIGITS = pl.Enum([str(digit) for digit in range(10)])


def scan() -> pl.LazyFrame:
    """Columns `image` (8 × 8, uint8, 0 to 255) and `label` ("0" to "9")."""
    from sklearn.datasets import load_digits  # an import of a second: only where it is used

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    labels = pl.Series(digits.target).cast(pl.String).cast(DIGITS)
    return pl.LazyFrame({"image": images, "label": labels})
