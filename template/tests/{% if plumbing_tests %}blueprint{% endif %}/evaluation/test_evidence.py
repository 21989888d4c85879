"""What is measured beside the metrics: rows that were trained on, slices, latency, size."""

import math
import time
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

pytest.importorskip("blueprint.evaluation.classification")

from blueprint.data import Dataset, write_splits
from blueprint.errors import UserError
from blueprint.evaluation.evidence import (
    count_overlap,
    measure_latency,
    measure_size,
    measure_slices,
    predict_constant,
)
from blueprint.evaluation.metrics import Predictions
from blueprint.gate import Slices

SPLIT = {"validation": 0.2, "test": 0.3}
FLOORS = {"accuracy": 0.0}


def split(rows, root, task="tabular-classification", how=SPLIT, nullable=()):
    directories = {name: root / name for name in ("train", "validation", "test")}
    names = {"label": "label", "source": "rows", "task": task, "nullable": nullable}
    return write_splits(rows.lazy(), directories, how, **names)


@pytest.fixture
def table():
    """2,000 rows: a number, a text that is empty in every fourth row, and a class."""
    numbers = np.random.default_rng(0).normal(size=2000).round(2)
    cities = ["Mainz", "Worms", "Trier", None] * 500
    labels = np.where(numbers > 0.5, "high", "low")
    return pl.DataFrame({"x": numbers, "city": cities, "label": labels, "day": range(2000)})


@pytest.fixture
def sets(table, tmp_path):
    return split(table.drop("day"), tmp_path, nullable=["city"])


def test_equal_rows_are_on_one_side_of_a_split_by_shares(sets, digits):
    assert count_overlap(sets["test"], sets["train"]) == 0
    assert count_overlap(digits["test"], digits["train"]) == 0


def test_rows_of_the_test_set_are_found_in_the_training_set(sets, digits, tmp_path):
    for test, train in ((sets["test"], sets["train"]), (digits["test"], digits["train"])):
        both = tmp_path / f"both-{test.schema.rows}"
        both.mkdir()
        leaked = pl.concat([train.scan().collect(), test.scan().collect().tail(7)])
        leaked.write_parquet(both / "part-0.parquet")
        replace(test.schema, rows=len(leaked)).write(both / "schema.json")
        assert 7 <= count_overlap(test, Dataset(both)) < 40
        assert count_overlap(test, test) == test.schema.rows


def test_days_can_bring_equal_rows_to_both_sides(table, tmp_path):
    days = {"time": "day", "validation": 1000, "test": 1400}
    sets = split(table.drop("city"), tmp_path, how=days)

    found = count_overlap(sets["test"], sets["train"])

    train, test = (set(sets[name].table()[0]["x"]) for name in ("train", "test"))
    rows = sets["test"].table()[0]["x"]
    assert found == sum(value in train & test for value in rows) > 0


def test_a_constant_answer_is_the_most_frequent_class_of_training(sets):
    labels = np.array([0, 1, 1])
    nothing = Predictions(labels, np.zeros((3, 2)), ("high", "low"))

    constant = predict_constant(sets["train"], nothing)

    shares = sets["train"].scan().collect()["label"].value_counts(normalize=True)
    expected = {row["label"]: row["proportion"] for row in shares.to_dicts()}
    np.testing.assert_allclose(constant.outputs[2], [expected["high"], expected["low"]])
    assert constant.metrics()["accuracy"] == pytest.approx(2 / 3)


def test_a_constant_answer_of_a_regression_is_the_mean_of_training(table, tmp_path):
    rows = table.select("x", label=pl.col("x") * 2)
    sets = split(rows, tmp_path, "tabular-regression")

    constant = predict_constant(sets["train"], Predictions(np.ones(2), np.ones(2), ()))

    mean = sets["train"].scan().collect()["label"].mean()
    np.testing.assert_allclose(constant.outputs, [mean, mean])


def slices(sets, **asked):
    labels = sets["test"].table()[1]
    outputs = np.tile([0.3, 0.7], (len(labels), 1))
    predictions = Predictions(labels, outputs, ("high", "low"))
    return list(measure_slices(sets["test"], predictions, Slices(floors=FLOORS, **asked)))


def test_slices_are_the_values_of_a_column_and_the_classes(sets):
    rows = sets["test"].scan().collect()

    found = {each.name: each for each in slices(sets, columns=["city"], classes=True)}

    assert list(found) == [
        "city=missing",
        "city=Mainz",
        "city=Trier",
        "city=Worms",
        "class=high",
        "class=low",
    ]
    mainz = rows.filter(pl.col("city") == "Mainz")
    assert found["city=Mainz"].rows == len(mainz)
    right = (mainz["label"] == "low").mean()
    assert found["city=Mainz"].metrics["accuracy"] == pytest.approx(right)
    assert found["class=high"].metrics["accuracy"] == 0
    assert found["class=low"].metrics["accuracy"] == 1
    assert sum(found[name].rows for name in list(found)[:4]) == len(rows)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("town", r"gate.slices.columns in config/: 'town' is no feature; there are x, city"),
        ("x", "'x' has more than 50 values"),
    ],
)
def test_a_column_that_cannot_be_sliced_is_named(sets, column, message):
    with pytest.raises(UserError, match=message):
        slices(sets, columns=[column])


def test_pictures_and_numbers_have_no_slices(digits):
    numbers = np.zeros(digits["test"].schema.rows)
    predictions = Predictions(numbers, numbers, ())

    def slices_of(**asked):
        return list(measure_slices(digits["test"], predictions, Slices(floors=FLOORS, **asked)))

    with pytest.raises(UserError, match="holds arrays"):
        slices_of(columns=["image"])
    with pytest.raises(UserError, match="a regression has no classes"):
        slices_of(classes=True)


class Slow:
    """A model that takes a while, and takes one row at a time."""

    def __init__(self, seconds):
        self.seconds, self.calls = seconds, 0

    def predict(self, inputs):
        assert {len(values) for values in inputs.values()} == {1}
        self.calls += 1
        time.sleep(self.seconds)


def test_latency_is_that_of_one_row(sets):
    quick, slow = Slow(0.002), Slow(0.2)

    assert 2 <= measure_latency(quick, sets["test"]) < 20
    assert 200 <= measure_latency(slow, sets["test"]) < 300
    assert quick.calls == 105
    assert slow.calls <= 7
    assert math.isnan(measure_latency(quick, Empty()))


class Empty:
    def batches(self, rows):
        return iter(())


def test_the_size_is_that_of_all_files(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "model.onnx").write_bytes(b"1" * 1_500_000)
    (tmp_path / "folder" / "more").write_bytes(b"1" * 500_000)

    assert measure_size(tmp_path) == 2.0
