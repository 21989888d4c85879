"""What readers get: predictions of a time, or the newest, of all versions, with their labels."""

import time
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from prediction_log.logged import PRICES, entry

from blueprint.model import Tensor
from blueprint.monitoring.prediction_log.labels import attach
from blueprint.monitoring.prediction_log.reading import scan

NOW = time.time()
HOUR = 3600


def at(hours_ago):
    return datetime.fromtimestamp(NOW - hours_ago * HOUR, UTC)


@pytest.fixture
def log(section, keep):
    """Requests of the last three days, one every six hours: r72 is the oldest."""
    for hours in range(72, -1, -6):
        keep(entry(f"r{hours}", at=NOW - hours * HOUR))
    return section


def ids(rows):
    return rows.select("request_id").collect().to_series().to_list()


def test_all_of_it(log):
    assert len(ids(scan(log, "people"))) == 13


def test_the_rows_of_a_time(log):
    # The files were all written now; their days and the rows' own times tell.
    found = ids(scan(log, "people", since=at(24), until=at(12)))
    assert sorted(found) == ["r18", "r24"]
    assert ids(scan(log, "people", since=at(-1))) == []


def test_the_newest_rows(section, keep):
    keep(*(entry(f"r{number}", at=NOW + number) for number in range(10)))
    keep(*(entry(f"r{number}", at=NOW + number) for number in range(10, 20)))

    assert ids(scan(section, "people", newest=3)) == ["r17", "r18", "r19"]
    assert ids(scan(section, "people", newest=12)) == [f"r{number}" for number in range(8, 20)]
    assert len(ids(scan(section, "people", newest=99))) == 20


def test_a_log_without_files_has_its_columns(section):
    rows = scan(section, "people").collect()

    assert rows.is_empty()
    assert {"request_id", "time", "version", "prediction", "label"} <= set(rows.columns)


def test_versions_with_other_inputs_are_in_one_table(section, keep):
    income = Tensor("age", "int64", ()), Tensor("income", "float32", ())
    other = PRICES.__class__("tabular-regression", income, PRICES.output, (), "")
    given = {"age": np.array([30]), "income": np.array([9.5], np.float32)}
    keep(entry("a", signature=PRICES), entry("b", version="2", signature=other, inputs=given))

    rows = scan(section, "people").collect().sort("request_id")
    assert rows["input.income"].to_list() == [None, 9.5]
    assert rows["input.age"][1] == 30.0
    assert rows["input.home city"].null_count() == 1


def test_a_missing_number_is_null(section, keep):
    keep(
        entry(
            inputs={
                "age": np.array([np.nan]),
                "home city": np.array([""], object),
                "owns.house": np.array([True]),
            }
        )
    )

    assert scan(section, "people").collect()["input.age"].to_list() == [None]


def test_labels_come_with_their_rows(section, keep, tmp_path):
    keep(entry("a", rows=3), entry("b"))
    labels = pl.DataFrame({"request_id": ["a", "b"], "row": [1, 0], "label": ["yes", "no"]})
    labels.write_csv(tmp_path / "labels.csv")
    attach(section, "people", str(tmp_path / "labels.csv"))

    rows = scan(section, "people").collect().sort("request_id", "row")
    assert rows["label"].to_list() == [None, "yes", None, "no"]
    recent = scan(section, "people", since=datetime.now(UTC) - timedelta(hours=1)).collect()
    assert recent["label"].null_count() == 2


def test_a_bucket_is_read_as_a_folder_is(section, keep, bucket, tmp_path):
    there = section.model_copy(update={"path": f"{bucket}/{tmp_path.name}"})
    keep(entry("old", at=NOW - 48 * HOUR), entry("new", at=NOW), path=there.path)
    pl.DataFrame({"request_id": ["new"], "label": ["yes"]}).write_csv(tmp_path / "labels.csv")
    attach(there, "people", str(tmp_path / "labels.csv"))

    rows = scan(there, "people", since=at(1)).collect()
    assert rows.select("request_id", "label").rows() == [("new", "yes")]
    assert len(scan(there, "people").collect()) == 2
