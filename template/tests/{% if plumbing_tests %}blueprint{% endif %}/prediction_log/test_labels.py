"""`make labels`: what is kept, and what is said of the rest."""

import time

import polars as pl
import pytest
from prediction_log.logged import PRICES, entry

from blueprint.errors import UserError
from blueprint.monitoring.prediction_log.files import LogFolder
from blueprint.monitoring.prediction_log.labels import attach
from blueprint.monitoring.prediction_log.reading import scan

DAY = 86_400


@pytest.fixture
def say(section, tmp_path):
    """Attach labels, given as columns; what became of them, by name."""

    def attached(suffix="csv", **columns):
        path = tmp_path / f"labels.{suffix}"
        frame = pl.DataFrame(columns)
        (frame.write_csv if suffix == "csv" else frame.write_parquet)(path)
        result = attach(section, "people", str(path))
        return dict(result.select("labels", "rows").rows())

    return attached


@pytest.fixture
def known(section):
    """The labels of the log, by request and row."""

    def read():
        rows = scan(section, "people").filter(pl.col("label").is_not_null()).collect()
        return {(row["request_id"], row["row"]): row["label"] for row in rows.to_dicts()}

    return read


def test_labels_find_their_predictions(say, known, keep):
    keep(entry("a"), entry("b"))

    assert say(request_id=["a", "b"], label=["yes", "no"]) == {"new": 2}
    assert known() == {("a", 0): "yes", ("b", 0): "no"}


def test_said_twice_is_written_once(say, known, keep, section):
    keep(entry("a"), entry("b"))
    say(request_id=["a", "b"], label=["yes", "no"])

    assert say(request_id=["a", "b"], label=["yes", "no"]) == {"there already": 2}
    assert len(LogFolder(section.path, "people").labels()) == 1


def test_a_correction_replaces_what_was_said(say, known, keep):
    keep(entry("a"))
    say(request_id=["a"], label=["yes"])

    assert say(request_id=["a"], label=["no"]) == {"corrected": 1}
    assert known() == {("a", 0): "no"}


def test_of_two_labels_in_a_file_the_last_holds(say, known, keep):
    keep(entry("a"))

    assert say(request_id=["a", "a"], label=["yes", "no"]) == {"in the file twice": 1, "new": 1}
    assert known() == {("a", 0): "no"}


def test_unknown_ids_are_reported_and_not_kept(say, known, keep, capsys):
    keep(entry("a"))

    assert say(request_id=["a", "x", "y"], label=["yes", "no", "no"]) == {"unknown": 2, "new": 1}
    assert known() == {("a", 0): "yes"}
    assert "x, y" in capsys.readouterr().out


def test_labels_that_come_late_are_kept_and_reported(say, known, keep):
    keep(entry("old", at=time.time() - 9 * DAY), entry("new"))

    found = say(request_id=["old", "new"], label=["yes", "no"])
    assert found == {"new": 2, "late: over 7 days": 1}
    assert known()["old", 0] == "yes"


def test_a_row_of_a_request_is_named_by_its_number(say, known, keep):
    keep(entry("a", rows=3), entry("b"))

    found = say(request_id=["a", "a", "b"], row=[2, 7, None], label=["yes", "no", "yes"])
    assert found == {"a row that the request has not": 1, "new": 2}
    assert known() == {("a", 2): "yes", ("b", 0): "yes"}


def test_without_a_number_a_request_of_several_rows_is_not_guessed(say, known, keep):
    keep(entry("a", rows=2), entry("b"))

    found = say(request_id=["a", "b"], label=["yes", "yes"])
    assert found == {"no row number, and the request has several": 1, "new": 1}
    assert known() == {("b", 0): "yes"}


def test_an_id_that_was_used_again_does_not_double_its_label(say, known, keep):
    keep(entry("a"), entry("a"))

    assert say(request_id=["a"], label=["yes"]) == {"new": 1}


def test_lines_without_a_label_are_left_out(say, keep):
    keep(entry("a"), entry("b"))

    assert say(request_id=["a", "b"], label=["yes", None]) == {"without a label": 1, "new": 1}


@pytest.mark.parametrize("labels", [[1, 0], [1.0, 0.0], ["1", "0"]])
def test_classes_are_texts_whatever_the_file_says(labels, say, known, keep):
    keep(entry("a"), entry("b"))

    say("parquet", request_id=["a", "b"], label=labels)
    assert known() == {("a", 0): "1", ("b", 0): "0"}


def test_numbers_are_numbers(say, known, keep):
    keep(entry("a", signature=PRICES))

    assert say(request_id=["a"], label=["12.5"]) == {"new": 1}
    assert known() == {("a", 0): 12.5}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"request_id": ["x"], "label": ["1"]}, "none of its ids is that of a logged prediction"),
        ({"request_id": ["a"], "truth": ["1"]}, "no column 'label'; it needs request_id and label"),
        ({"request_id": ["a"], "label": ["much"]}, "a label must be a number"),
        ({"request_id": ["a"], "label": ["1"], "row": ["one"]}, "a row a whole number"),
    ],
)
def test_what_cannot_be_used_is_one_line(columns, message, say, keep):
    keep(entry("a", signature=PRICES))

    with pytest.raises(UserError, match=message) as caught:
        say(**columns)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["gone.csv", "gone.parquet"])
def test_a_file_that_is_not_there_is_one_line(name, section, keep):
    keep(entry("a"))

    with pytest.raises(UserError, match=rf"^{name}: no such file$"):
        attach(section, "people", name)


def test_before_the_first_prediction_there_is_nothing_to_label(say):
    with pytest.raises(UserError, match="no prediction of people is logged in"):
        say(request_id=["a"], label=["yes"])
