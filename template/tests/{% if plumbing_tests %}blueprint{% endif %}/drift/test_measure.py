"""What counts as drift: real scores by Evidently, and what must be said in place of a score."""

from pathlib import Path
from typing import Any

import evidently  # noqa: F401  (where it is not installed, these tests are not collected)
import numpy as np
import polars as pl
import pytest
from prometheus_client import generate_latest
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score

from blueprint.errors import UserError
from blueprint.monitoring.drift import metrics, report
from blueprint.monitoring.drift.measure import OTHER, measure
from blueprint.monitoring.drift.result import Column, Drift
from blueprint.monitoring.drift.settings import Drift as Settings

ROWS = 600


def rows(seed: int, number: int = ROWS) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    label = random.choice(["a", "b", "c"], number)
    predicted = np.where(random.random(number) < 0.9, label, "a")
    return pl.DataFrame(
        {
            "input.same": random.normal(10, 2, number),
            "input.other": random.normal(0, 1, number),
            "input.tiny": random.normal(0, 1e-6, number),
            "input.city": random.choice(["x", "y", "z"], number),
            "input.still": np.full(number, 7.0),
            "prediction": predicted,
            "probability": random.uniform(0.5, 1, number),
            "label": label,
        }
    )


@pytest.fixture(scope="module")
def reference() -> pl.DataFrame:
    return rows(0, 1500).with_columns(held_out=pl.int_range(pl.len()) % 3 == 0)


@pytest.fixture(scope="module")
def odd(reference: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A window with a fault a column, the drift that is found in it, and the folder of its page."""
    city = pl.when(pl.int_range(pl.len()) % 4 == 0).then(pl.lit("new")).otherwise("input.city")
    reference = reference.with_columns(
        pl.col("input.same").alias("input.shifted"),
        pl.col("input.same").alias("input.gone"),
        pl.col("input.same").alias("input.null"),
        pl.col("input.same").alias("input.gaps"),
        pl.col("input.same").alias("input.stuck"),
        pl.lit(None, pl.Float64).alias("input.never"),
        pl.int_range(pl.len()).cast(pl.String).alias("input.id"),
    )
    window = rows(1).with_columns(
        (pl.col("input.same") + 2).alias("input.shifted"),
        pl.lit(None, pl.Float64).alias("input.null"),
        pl.when(pl.int_range(pl.len()) % 2 == 0).then("input.same").alias("input.gaps"),
        pl.lit(3.0).alias("input.stuck"),
        pl.lit(1.0).alias("input.never"),
        (pl.int_range(pl.len()) + 5000).cast(pl.String).alias("input.id"),
        pl.lit(8.0).alias("input.still"),
        pl.col("input.tiny") + 1e-6,
        city.alias("input.city"),
        pl.lit(1.0).alias("input.unknown"),
    )
    folder = tmp_path_factory.mktemp("odd")
    found = measure(reference, window, Settings(), folder / "evidently.html")
    return reference, window, found, folder


def column(drift: Drift, name: str) -> Column:
    return next(each for each in drift.columns if each.name == name)


def test_what_moved_is_found_and_what_did_not_is_left_alone(odd: Any) -> None:
    _, _, drift, _ = odd
    moved = {each.name for each in drift.columns if each.moved}
    assert moved == {"shifted", "null", "gaps", "stuck", "still", "tiny", "city"}
    assert column(drift, "shifted").score == pytest.approx(1, abs=0.15)
    assert column(drift, "tiny").score == pytest.approx(1, abs=0.15)
    assert drift.ordered[0].moved and not drift.ordered[-1].moved
    assert drift.detected and drift.exit_code == 3


def test_what_cannot_be_compared_is_said(odd: Any) -> None:
    _, _, drift, _ = odd
    assert column(drift, "gone").note == "not in the window"
    assert column(drift, "never").note == "too few values in the reference"
    assert column(drift, "null").note == "no value at all"
    assert "50% missing, was 0%" in column(drift, "gaps").note
    assert column(drift, "still").note == "was always 7.0"
    assert column(drift, "city").note.startswith("new: new (25.0%)")
    assert any("unknown" in note for note in drift.notes)
    compared = [each for each in drift.columns if each.feature and each.compared]
    assert drift.share == pytest.approx(7 / len(compared))
    assert column(drift, "id").note == "1,500 different values are no categories"
    assert {"gone", "never", "id"}.isdisjoint(each.name for each in compared)


def test_the_page_has_the_numbers_first_and_no_script(odd: Any) -> None:
    reference, window, drift, folder = odd
    drift = drift.model_copy(update={"model": "a<b", "version": "3", "window": "a file"})
    path = folder / "drift.html"
    report.write(path, drift, reference, window, "evidently.html")
    page = path.read_text()
    assert page.index("<h2>Drift</h2>") < page.index("<table") < page.index("<svg viewBox")
    assert 'href="evidently.html"' in page and "<script" not in page and "a<b" not in page
    assert (folder / "evidently.html").stat().st_size > 100_000


def test_the_terminal_has_80_columns(odd: Any) -> None:
    _, _, drift, _ = odd
    long = drift.columns[0].model_copy(update={"name": "n" * 90, "note": "m" * 90, "rows": 10**7})
    wide = drift.model_copy(update={"columns": [*drift.columns, long], "notes": ["n" * 200]})
    shown = list(report.lines(wide))
    table = shown[1:-1]
    assert max(map(len, table)) <= 80
    assert shown[-1].startswith("drift: ")


def test_what_was_found_is_read_again(odd: Any, tmp_path: Path) -> None:
    _, _, drift, _ = odd
    drift.write(tmp_path / "drift.json")
    text = (tmp_path / "drift.json").read_text()
    assert "NaN" not in text
    assert Drift.read(tmp_path / "drift.json") == drift


def test_the_gauges_name_only_the_models_columns(odd: Any) -> None:
    _, _, drift, _ = odd
    about = {"model": "m", "version": "3", "checked": "2026-11-27T10:00:00+00:00"}
    text = generate_latest(metrics.collect(drift.model_copy(update=about))).decode()
    assert 'drift_detected{model="m",version="3"} 1.0' in text
    assert 'drift_rows{model="m",version="3"} 600.0' in text
    assert 'drift_score{column="shifted",method="wasserstein",model="m",version="3"}' in text
    assert "drift_checked_timestamp_seconds" in text and "drift_share" in text
    assert 'drift_performance{metric="accuracy",model="m",version="3"}' in text
    assert "unknown" not in text


def test_rows_like_those_before_are_no_drift(reference: pl.DataFrame) -> None:
    drift = measure(reference, rows(2), Settings())
    assert not drift.detected and drift.exit_code == 0 and drift.share == 0, drift
    assert drift.verdict == "no drift: 0 of 7 columns moved"


def test_other_predictions_alone_are_drift(reference: pl.DataFrame) -> None:
    window = rows(3).with_columns(prediction=pl.lit("a")).drop("label")
    drift = measure(reference, window, Settings())
    assert drift.reasons == ["what is predicted moved"]
    less = rows(3).with_columns(pl.col("probability") - 0.3).drop("label")
    assert measure(reference, less, Settings()).reasons == ["how sure the model is moved"]


@pytest.mark.parametrize("number", [0, 1, 199])
def test_too_few_rows_are_said(reference: pl.DataFrame, number: int) -> None:
    drift = measure(reference, rows(1).head(number), Settings())
    assert (drift.exit_code, drift.detected, drift.columns) == (4, False, [])
    assert "min_rows is 200" in drift.notes[0]
    about = {"model": "m", "version": "3", "checked": "2026-11-27T10:00:00+00:00"}
    text = generate_latest(metrics.collect(drift.model_copy(update=about))).decode()
    assert "drift_detected" not in text and "drift_rows" in text
    assert list(report.lines(drift))[-1].startswith("too few rows")


def test_a_rule_of_a_column_is_taken(reference: pl.DataFrame) -> None:
    window = rows(4).with_columns(pl.col("input.same") + 0.6)
    rules: Any = {"columns": {"same": {"method": "ks"}, "city": {"threshold": 0.5}}}
    drift = measure(reference, window, Settings(**rules))
    assert column(drift, "same").method == "ks" and column(drift, "same").moved
    assert column(drift, "city").threshold == 0.5
    rules = {"columns": {"same": {"threshold": 3}}}
    assert not column(measure(reference, window, Settings(**rules)), "same").moved


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"columns": {"sam": {}}}, "no column 'sam'; there are same"),
        ({"segments": ["town"]}, "drift.segments"),
        ({"columns": {"city": {"method": "wasserstein"}}}, "does not compare categories"),
        ({"columns": {"same": {"method": "chisquare"}}}, "does not compare numbers"),
    ],
)
def test_a_rule_that_does_not_fit_is_an_error(
    reference: pl.DataFrame, rules: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        measure(reference, rows(1), Settings(**rules))


def test_labels_say_that_it_got_worse(reference: pl.DataFrame) -> None:
    window = rows(5).with_columns(
        label=pl.when(pl.col("input.city") == "x").then(pl.lit("c")).otherwise("label")
    )
    drift = measure(reference, window, Settings(segments=["city"]))
    found = {(each.segment, each.metric): each for each in drift.performance}
    for segment, part in (("", window), ("city=x", window.filter(pl.col("input.city") == "x"))):
        truth, predicted = part["label"].to_list(), part["prediction"].to_list()
        accuracy, f1 = found.get((segment, "accuracy")), found.get((segment, "macro_f1"))
        if len(part) < Settings().min_rows:
            assert accuracy is None
            continue
        assert accuracy and f1
        assert accuracy.value == pytest.approx(accuracy_score(truth, predicted))
        assert f1.value == pytest.approx(f1_score(truth, predicted, average="macro"))
        assert accuracy.worse and accuracy.rows == len(part)
    assert "accuracy got worse" in drift.reasons
    unlabelled = window.with_columns(label=pl.lit(None, pl.String))
    assert measure(reference, unlabelled, Settings()).performance == []


def test_two_classes_and_numbers_have_their_metrics(reference: pl.DataFrame) -> None:
    two = [frame.filter(pl.col("label") != "c") for frame in (reference, rows(6, 900))]
    two = [frame.filter(pl.col("prediction") != "c") for frame in two]
    drift = measure(two[0], two[1], Settings())
    found = {each.metric: each.value for each in drift.performance}
    truth, predicted = two[1]["label"].to_list(), two[1]["prediction"].to_list()
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert found["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))
    numbers = [
        frame.drop("probability").with_columns(
            prediction=pl.col("input.same"), label=pl.col("input.same") + pl.col("input.other")
        )
        for frame in (reference, rows(7))
    ]
    drift = measure(numbers[0], numbers[1], Settings())
    found = {each.metric: each.value for each in drift.performance}
    pair = numbers[1]["label"].to_numpy(), numbers[1]["prediction"].to_numpy()
    assert found["mae"] == pytest.approx(mean_absolute_error(*pair))
    assert found["r2"] == pytest.approx(r2_score(*pair))
    assert not any(each.worse for each in drift.performance)
    worse = numbers[1].with_columns(label=pl.col("label") + 2)
    assert "mae got worse" in measure(numbers[0], worse, Settings()).reasons


def test_rare_categories_are_one(reference: pl.DataFrame) -> None:
    random = np.random.default_rng(0)
    names = np.array([f"n{place}" for place in range(400)])
    weights = np.r_[np.full(5, 0.1), np.full(395, 0.5 / 395)]
    many = [
        frame.with_columns(pl.Series("input.city", random.choice(names, len(frame), p=weights)))
        for frame in (reference, rows(8))
    ]
    drift = measure(many[0], many[1], Settings())
    assert not column(drift, "city").moved, column(drift, "city")
    assert OTHER not in column(drift, "city").note
