"""A small real data set for each task, which ships inside scikit-learn: no network needed.

Sources: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998;
W. Wolberg et al., "Breast Cancer Wisconsin (Diagnostic)", UCI, 1993; B. Efron et al., "Least Angle
Regression", Annals of Statistics, 2004.
"""

import numpy as np
import polars as pl

DIGITS = pl.Enum([str(digit) for digit in range(10)])
TUMOURS = ["malignant", "benign"]  # 0 and 1 in scikit-learn


def scan(*, task: str = "image-classification") -> pl.LazyFrame:
    """Rows to learn `task` from, with a column `label`; see `digits`, `tumours`, `diabetes`."""
    return {
        "image-classification": digits,
        "tabular-classification": tumours,
        "tabular-regression": diabetes,
    }[task]()


def digits() -> pl.LazyFrame:
    """1,797 pictures: `image` (8 × 8, uint8, 0 to 255), and `label` ("0" to "9")."""
    from sklearn.datasets import load_digits  # an import of a second: only where it is used

    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    labels = pl.Series(data.target).cast(pl.String).cast(DIGITS)
    return pl.LazyFrame({"image": images, "label": labels})


def tumours() -> pl.LazyFrame:
    """569 tumours of the breast: 30 measures (float64), and `label`, "malignant" or "benign"."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    names = [name.replace(" ", "_") for name in data.feature_names]
    labels = pl.Series("label", np.array(TUMOURS)[data.target], dtype=pl.Enum(TUMOURS))
    return pl.DataFrame(data.data, schema=names).with_columns(labels).lazy()


def diabetes() -> pl.LazyFrame:
    """442 patients: `sex` ("1" or "2"), 9 measures, and `label`: how ill they were a year later."""
    from sklearn.datasets import load_diabetes

    data = load_diabetes(scaled=False)
    rows = pl.DataFrame(data.data, schema=data.feature_names)
    sex = pl.col("sex").cast(pl.Int64).cast(pl.String)
    return rows.with_columns(sex, label=pl.Series(data.target, dtype=pl.Float64)).lazy()
