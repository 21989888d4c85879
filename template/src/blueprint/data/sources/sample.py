"""A small real data set for each task, which ships inside scikit-learn: no network needed.

Sources: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998;
W. Wolberg et al., "Breast Cancer Wisconsin (Diagnostic)", UCI, 1993; B. Efron et al., "Least Angle
Regression", Annals of Statistics, 2004.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

FIXED = True


def scan(*, task: str = "image-classification") -> "pl.LazyFrame":
    """Rows to learn `task` from, with a column `label`.

    Digits: 1,797 pictures, `image` (8 × 8, uint8, 0 to 255), labels "0" to "9". Tumours: 569 rows
    of 30 float64, "malignant" or "benign". Diabetes: 442 rows of `sex` ("1" or "2") and 9 numbers;
    the label is how ill a patient was a year later.
    """
    import numpy as np
    import polars as pl
    from sklearn import datasets  # an import of a second: only where it is used

    if task == "image-classification":
        data = datasets.load_digits()
        images = np.rint(data.images * (255 / 16)).astype(np.uint8)
        digits = pl.Enum([str(digit) for digit in range(10)])
        rows = pl.LazyFrame({"image": images, "label": data.target.astype(str)})
        return rows.cast({"label": digits})
    if task == "tabular-classification":
        data = datasets.load_breast_cancer()
        names = [name.replace(" ", "_") for name in data.feature_names]
        labels = pl.Series(data.target_names[data.target], dtype=pl.Enum(list(data.target_names)))
        return pl.LazyFrame(data.data, schema=names).with_columns(label=labels)
    data = datasets.load_diabetes(scaled=False)
    rows = pl.LazyFrame(data.data, schema=data.feature_names)
    sex = pl.col("sex").cast(pl.Int64).cast(pl.String)
    return rows.with_columns(sex, label=pl.Series(data.target, dtype=pl.Float64))
