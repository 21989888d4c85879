"""The sample of each task: what is in it, and that it makes complete data sets."""

import polars as pl
import pytest

from blueprint.data import DataError, write_splits
from blueprint.data.settings import Data
from blueprint.data.sources import read, scan

NAMES = ("train", "validation", "test")


def split(data, folder):
    rows, _ = read(data)
    return write_splits(
        rows,
        {name: folder / name for name in NAMES},
        data.split.model_dump(),
        label=data.label,
        source=data.origin(),
        task=data.task,
        nullable=data.nullable(),
    )


@pytest.mark.parametrize(
    ("task", "rows", "features", "classes"),
    [
        ("image-classification", 1797, 1, tuple("0123456789")),
        ("tabular-classification", 569, 30, ("malignant", "benign")),
        ("tabular-regression", 442, 10, ()),
    ],
)
def test_every_task_has_a_sample(task, rows, features, classes, tmp_path):
    sets = split(Data(task=task, source="sample"), tmp_path)

    schema = sets["train"].schema
    assert sum(sets[name].schema.rows for name in NAMES) == rows
    assert (schema.task, len(schema.features), schema.classes) == (task, features, classes)


def test_tumours_are_named():
    rows = scan("sample", task="tabular-classification").collect()

    assert rows.columns[0] == "mean_radius"
    assert "worst_fractal_dimension" in rows.columns
    assert dict(rows["label"].value_counts().rows()) == {"malignant": 212, "benign": 357}


def test_diabetes_has_a_text():
    rows = scan("sample", task="tabular-regression").collect()

    assert rows.schema["sex"] == pl.String
    assert set(rows["sex"]) == {"1", "2"}
    assert (rows["label"].min(), rows["label"].max()) == (25, 346)


def test_a_picture_is_no_row_of_a_table(tmp_path):
    rows = scan("sample")

    with pytest.raises(DataError, match=r"'image': an array, but data.task: tabular-class"):
        write_splits(
            rows,
            {name: tmp_path / name for name in NAMES},
            {"validation": 0.15, "test": 0.2},
            label="label",
            source="sample",
            task="tabular-classification",
        )
