"""Declared columns: faults with their rows, quarantine, and nothing left behind."""

from typing import get_args

import numpy as np
import polars as pl
import pytest

from blueprint.data import DataError
from blueprint.data.rules import DTYPES
from blueprint.data.settings import Column, Data, Dtype
from blueprint.data.validation import validate

GOOD = {"age": [30, 40, 50], "city": ["Mainz", "Bonn", "Trier"], "label": ["no", "yes", "no"]}
COLUMNS = {
    "age": Column(dtype="uint8", min=18, max=100),
    "city": Column(dtype="string", values=("Mainz", "Bonn", "Trier")),
    "label": Column(values=("no", "yes", "maybe")),
}


def check(rows, columns=COLUMNS, **kwargs):
    rows = pl.LazyFrame(rows) if isinstance(rows, dict) else rows
    lazy, report = validate(rows, columns, label="label", source="here", **kwargs)
    return lazy.collect(), report


def test_good_rows_come_out_in_their_declared_types():
    rows, report = check(GOOD)

    assert rows.schema["age"] == pl.UInt8
    assert rows["label"].dtype == pl.Enum(["no", "yes", "maybe"])
    assert rows["city"].to_list() == GOOD["city"]
    assert (report.rows, report.dropped, report.facts()) == (3, 0, {})


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"age": [30, 400, -1]}, r"column 'age': not uint8 in row 2 \(400\), row 3 \(-1\)$"),
        ({"age": [30, 40, 17]}, r"column 'age': below 18 in row 3 \(17\)$"),
        ({"age": [101, 40, 30]}, r"column 'age': above 100 in row 1 \(101\)$"),
        ({"age": [30.0, 40.5, 50.0]}, r"column 'age': not uint8 in row 2 \(40.5\)$"),
        ({"age": ["30", "x", " 50 "]}, r"column 'age': not uint8 in row 2 \('x'\)$"),
        (
            {"age": [30, None, 50]},
            r"column 'age': missing in row 2 \(None\); data.columns.age: {nullable: true} all",
        ),
        (
            {"age": [30.0, np.nan, 50.0]},
            r"column 'age': missing in row 2 \(nan\); data.columns.age",
        ),
        ({"city": ["Mainz", "Köln", "Bonn"]}, r"'city': none of Mainz, .*row 2 \('Köln'\)$"),
        (
            {"label": ["no", "yes", None]},
            r"column 'label': missing in row 3 \(None\); data.unlabelled: drop leaves such",
        ),
        ({"label": ["no", "perhaps", "no"]}, r"'label': none of no, yes, maybe in row 2 "),
    ],
)
def test_a_fault_names_the_source_the_column_and_the_rows(change, fault):
    with pytest.raises(DataError, match=f"^source here: .*{fault}"):
        check(GOOD | change)


@pytest.mark.parametrize(
    ("rows", "columns", "fault"),
    [
        ({"label": ["no"]}, COLUMNS, "no column 'age', 'city', which data.columns declares"),
        (
            GOOD | {"id": [1, 2, 3]},
            COLUMNS,
            "column 'id' is not in data.columns; declare it .*drop or keep",
        ),
        (GOOD, COLUMNS | {"age": Column(dtype="date")}, "column 'age' is int64, not date"),
        (GOOD, COLUMNS | {"age": Column(values=("x",))}, "columns.age.values: 'x' is no int64"),
        (GOOD, COLUMNS | {"age": Column(min="x")}, "columns.age: the bound 'x' is no int64"),
        (
            {name: pl.Series([], dtype=pl.String) for name in GOOD},
            {"age": Column(), "city": Column()},
            "source here: no rows",
        ),
        ({"x": [1, 2], "label": ["a", None]}, {"x": Column()}, r"'label': missing in row 2 \(None"),
        (
            {"image": np.zeros((2, 4, 4)), "label": ["a", "b"]},
            {"image": Column(dtype="uint8")},
            "column 'image' is an array of float64, not of uint8",
        ),
    ],
)
def test_rows_that_do_not_fit_as_a_whole_are_refused(rows, columns, fault):
    with pytest.raises(DataError, match=fault):
        check(rows, columns)


def test_what_is_allowed_to_be_missing_stays_missing():
    columns = COLUMNS | {"age": Column(dtype="float32", min=0, nullable=True)}

    rows, _ = check(GOOD | {"age": [None, 1, 2]}, columns)

    assert rows["age"].to_list() == [None, 1.0, 2.0]


@pytest.mark.parametrize(("extra", "left"), [("drop", []), ("keep", ["id"])])
def test_extra_columns_can_be_dropped_or_kept(extra, left):
    rows, _ = check(GOOD | {"id": [1, 2, 3]}, extra=extra)

    assert rows.columns == ["age", "city", "label", *left]


def test_blank_lines_and_unlabelled_rows_are_no_fault_where_they_may_be():
    rows = {name: [*values, None] for name, values in GOOD.items()}
    assert check(rows)[0].height == 3

    rows["age"][3] = 60
    rows["city"][3] = "Bonn"
    assert check(rows, unlabelled="drop")[0]["label"].to_list() == [*GOOD["label"], None]


@pytest.mark.parametrize(
    ("dtype", "value"), [("float64", 1e39), ("float32", "1e39"), (None, -np.inf)]
)
def test_a_declared_number_is_one_that_a_model_can_take(dtype, value):
    kind = type(value)
    rows = {"age": [kind(1.0), value, kind("nan")], "label": GOOD["label"]}

    fault = r"column 'age': infinite or too large for float32 in row 2 \("
    with pytest.raises(DataError, match=fault):
        check(rows, {"age": Column(dtype=dtype, nullable=True)})


def test_text_becomes_dates_and_truth_values():
    rows, _ = check(
        {"day": ["2024-05-01", "2024-05-02"], "member": ["True", "0"], "label": ["a", "b"]},
        {"day": Column(dtype="date", min="2024-05-01"), "member": Column(dtype="bool")},
    )

    assert [str(day) for day in rows["day"]] == ["2024-05-01", "2024-05-02"]
    assert rows["member"].to_list() == [True, False]
    with pytest.raises(DataError, match=r"'day': below 2024-05-02 in row 1 \('2024-05-01'\)"):
        check(
            {"day": ["2024-05-01"], "label": ["a"]},
            {"day": Column(dtype="date", min="2024-05-02")},
        )


def test_quarantine_drops_bad_rows_and_says_how_many():
    rows = {"age": [30, 400, 17, 50], "city": ["Mainz", "Köln", "Bonn", "Trier"]}
    rows["label"] = ["no", "yes", None, "yes"]

    good, report = check(rows, quarantine=True)

    assert good["age"].to_list() == [30, 50]
    assert report.facts() == {"quarantined_rows": 2}
    assert report.lines()[0].startswith(
        "quarantined 2 of 4 rows: age not uint8 (1), age below 18 (1)"
    )
    with pytest.raises(DataError, match=r"source here: quarantined 1 of 1 rows: age above 100 \(1"):
        check({"age": [101], "city": ["Bonn"], "label": ["no"]}, quarantine=True)


def test_rows_are_numbered_through_all_batches_and_only_the_first_are_shown():
    age = np.arange(200_000) % 50 + 20
    age[150_000:150_009] = 200
    rows = pl.LazyFrame({"age": age, "label": ["a", "b"] * 100_000})

    with pytest.raises(
        DataError, match=r"row 150,001 \(200\), .*row 150,005 \(200\), … \(9 rows\)$"
    ):
        check(rows, {"age": Column(max=100)})


def test_queries_on_checked_rows_keep_their_meaning():
    rows = pl.LazyFrame({"age": np.arange(100_000), "label": ["a", "b"] * 50_000})
    checked, _ = validate(rows, {}, label="label", source="here")

    assert checked.filter(pl.col("age") < 10).select("label").collect().height == 10
    assert checked.head(70_000).collect().height == 70_000
    assert checked.select(pl.col("age").sum()).collect().item() == 100_000 * 99_999 // 2


def test_a_failure_of_the_query_engine_is_one_line():
    rows = pl.LazyFrame({"image": np.zeros((9, 4, 4), np.uint8), "label": ["a"] * 9})

    with pytest.raises(DataError, match=r"source here: .*not yet implemented: reverse"):
        check(rows.reverse(), {"image": Column()})  # Polars 2.1 panics on it


def test_the_configuration_knows_the_same_types_and_reads_classes_as_text():
    assert set(get_args(Dtype)) == set(DTYPES)
    column = Column(values=[1, 2.0, True, "a"], min=1, max="2024-05-01")
    assert column.values == ["1", "2", "true", "a"]
    assert Column.model_validate(column.model_dump(mode="json")) == column


def test_a_wrong_declaration_is_refused():
    with pytest.raises(ValueError, match=r"columns.age.dtype"):
        Data(task="image-classification", source="sample", columns={"age": {"dtype": "integer"}})
