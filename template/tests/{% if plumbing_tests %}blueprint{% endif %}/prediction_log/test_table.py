"""The columns of the log, read back by Polars and by DuckDB."""

import hashlib
import hmac
import io
from datetime import UTC, datetime

import duckdb
import numpy as np
import polars as pl
import pytest
from prediction_log.logged import PEOPLE, PICTURES, PRICES, entry
from serving.tiny_models import table_rows

from blueprint.monitoring.images import statistics
from blueprint.monitoring.prediction_log.settings import PredictionLog
from blueprint.monitoring.prediction_log.table import encode, groups, unknown

NOON = 1_800_014_400.25  # 2027-01-15 12:00:00.25 UTC


def read(*entries, key=b"", **section):
    return pl.read_parquet(io.BytesIO(encode(entries, PredictionLog(**section), key)))


def test_a_row_of_a_request_is_a_row_of_the_log():
    rows = read(entry("a", rows=3, at=NOON), entry("b", at=NOON + 1))

    assert rows["request_id"].to_list() == ["a", "a", "a", "b"]
    assert rows["row"].to_list() == [0, 1, 2, 0]
    assert rows["time"].to_list()[::3] == [
        datetime(2027, 1, 15, 12, 0, 0, 250_000, UTC),
        datetime(2027, 1, 15, 12, 0, 1, 250_000, UTC),
    ]
    assert rows["prediction"].to_list() == ["no", "yes", "no", "no"]
    assert rows["probability"].to_list() == pytest.approx([0.6, 0.75, 0.6, 0.6])
    assert set(rows["version"]) == {"1"}
    assert set(rows["route"]) == {"v1"}
    assert rows.schema["row"] == pl.Int32
    assert rows.schema["time"] == pl.Datetime("us", "UTC")


def test_the_inputs_are_those_that_the_model_saw():
    given = table_rows(9)
    rows = read(entry(rows=9, inputs=given))

    for name, values in given.items():
        np.testing.assert_array_equal(rows[f"input.{name}"].to_numpy(), values)
    assert rows.schema["input.age"] == pl.Float64
    assert rows.schema["input.owns.house"] == pl.Boolean
    assert rows.schema["input.home city"] == pl.String


def test_a_number_that_is_predicted_has_no_probability():
    rows = read(entry(rows=2, signature=PRICES))

    assert rows["prediction"].to_list() == pytest.approx([4.0, 7.5])
    assert rows.schema["prediction"] == pl.Float64
    assert rows["probability"].null_count() == 2


def test_of_a_picture_its_statistics_are_logged_and_no_pixel():
    pictures = np.random.default_rng(5).integers(0, 256, (4, 8, 8), np.uint8)
    rows = read(entry(rows=4, signature=PICTURES, inputs={"image": pictures}))

    inputs = [name for name in rows.columns if name.startswith("input.")]
    assert inputs == ["input.brightness", "input.contrast", "input.sharpness"]
    for name, values in statistics(pictures).items():
        np.testing.assert_allclose(rows[f"input.{name}"], values)


def test_only_what_is_allowed_is_logged():
    rows = read(entry(), columns=["age"])

    assert [name for name in rows.columns if name.startswith("input.")] == ["input.age"]


def test_personal_data_is_logged_as_a_hash_that_needs_the_key():
    given = table_rows(9)
    rows = read(entry(rows=9, inputs=given), key=b"secret", hashed=["home city", "age"])

    texts = [
        c and hmac.new(b"secret", c.encode(), hashlib.sha256).hexdigest()
        for c in given["home city"]
    ]
    assert rows["input.home city"].fill_null("").to_list() == texts
    numbers = [
        hmac.new(b"secret", str(a).encode(), hashlib.sha256).hexdigest()
        for a in given["age"].tolist()
    ]
    missing = np.isnan(given["age"])
    assert rows["input.age"].is_null().to_list() == missing.tolist()
    assert [a for a, no in zip(rows["input.age"], missing, strict=True) if not no] == [
        a for a, no in zip(numbers, missing, strict=True) if not no
    ]


def test_without_a_key_personal_data_is_not_logged():
    rows = read(entry(), hashed=["home city"])

    assert [name for name in rows.columns if name.startswith("input.")] == [
        "input.age",
        "input.owns.house",
    ]


def test_a_request_without_its_inputs_is_logged_all_the_same():
    rows = read(entry()._replace(inputs=None))

    assert len(rows) == 1
    assert not [name for name in rows.columns if name.startswith("input.")]


def test_a_file_has_one_day_and_one_version():
    midnight = 1_799_971_200.0  # 2027-01-15
    found = groups(
        [entry("a", at=midnight - 1), entry("b", at=midnight), entry("c", at=midnight, version="2")]
    )

    assert sorted([each.request_id for each in group] for group in found) == [["a"], ["b"], ["c"]]


def test_names_that_the_model_does_not_take_are_found():
    assert unknown(["age", "agee", "town"], PEOPLE) == ["agee", "town"]


def test_duckdb_reads_the_log(section, keep):
    keep(entry("a", rows=3, at=NOON), entry("b", at=NOON + 86_400))

    found = duckdb.sql(
        f'select date, request_id, count(*), max(probability), min("input.home city") '
        f"from read_parquet('{section.path}/people/date=*/*.parquet', hive_partitioning=true) "
        "group by all order by date"
    ).fetchall()
    assert [(str(row[0]), *row[1:3]) for row in found] == [
        ("2027-01-15", "a", 3),
        ("2027-01-16", "b", 1),
    ]
    assert found[0][3] == pytest.approx(0.75)
