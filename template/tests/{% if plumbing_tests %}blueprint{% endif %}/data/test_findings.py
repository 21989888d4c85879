"""What loading notes of odd columns, and which values and sets no model can be trained on."""

import re

import numpy as np
import polars as pl
import pytest

from blueprint.data import DataError, oddities, write_splits, writer

TASK = "tabular-classification"
SHARES = {"validation": 0.15, "test": 0.2}
ROWS = 600
NUMBERS = np.random.default_rng(1)


def load(root, rows, how=SHARES, declared=(), **kwargs):
    """The sets, and what is said of rows with the given columns beside `x` and a label."""
    rows = {"x": NUMBERS.normal(size=ROWS), "label": ["no", "yes"] * (ROWS // 2)} | rows
    notes = []
    sets = write_splits(
        pl.LazyFrame(rows),
        {name: root / name for name in ("train", "validation", "test")},
        how,
        **{"label": "label", "source": "here", "task": TASK, "notes": notes} | kwargs,
    )
    return sets, notes + oddities.notes(sets["train"], declared)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("name", ["x", "image"])
def test_a_number_that_the_wire_or_float32_cannot_carry_is_refused(tmp_path, name, value):
    values = NUMBERS.normal(size=(ROWS, 2, 2) if name == "image" else ROWS)
    values[7], values[300] = value, value
    task = {"task": "image-classification"} if name == "image" else {}

    with pytest.raises(DataError, match=rf"here: column '{name}': infinite or too .* in row 8 .*1"):
        load(tmp_path, {name: values}, **task)

    assert not list(tmp_path.iterdir())


def test_the_largest_float32_is_no_fault(tmp_path):
    values = np.arange(ROWS, dtype=float)
    values[0] = np.finfo(np.float32).max

    load(tmp_path, {"x": values})


IDS = 10**9 + NUMBERS.integers(0, 2_000, ROWS)
CITIES = np.array(["Mainz", "mainz ", "Bonn"])[np.arange(ROWS) % 3]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"id": IDS}, r"column 'id': \d+ different values are \d+ in float32"),
        ({"id": IDS.astype(float)}, "column 'id': .* in float32"),
        ({"id": 1e6 + NUMBERS.uniform(0, 0.1, ROWS)}, "column 'id': .* in float32"),
        ({"Unnamed: 0": range(ROWS)}, "'Unnamed: 0': .*index of pandas; .*extra_columns: drop"),
        ({"": range(ROWS)}, "column '': .*index of pandas"),
        ({"gr\ufffde": range(ROWS)}, "'gr\ufffde': its name is not UTF-8"),
        ({"x_duplicated_0": range(ROWS)}, "'x_duplicated_0': the second column of one name"),
        ({"p": [f"{n},5" for n in range(ROWS)]}, 'numbers with decimal commas .*pl.col."p"'),
        ({"p": [*map(str, range(ROWS - 9)), *["n/a"] * 9]}, "'p': numbers .*float64"),
        ({"p": [f"2024-01-{n % 28 + 1:02}" for n in range(ROWS)]}, "'p': dates .*{dtype: date}"),
        ({"p": [f"{n % 28 + 1}.1.24" for n in range(ROWS)]}, "'p': dates are learned"),
        ({"city": CITIES}, "'city': 'Mainz', 'mainz ' differ by case or spaces alone"),
        ({"label": ["a", "", "b"] * (ROWS // 3)}, "'label': an empty text is a class"),
        ({"label": ["Yes", "yes "] * (ROWS // 2)}, "'label': 'Yes', 'yes ' differ"),
    ],
)
def test_what_a_column_may_not_mean_is_said_once(tmp_path, rows, said):
    _, [note] = load(tmp_path, rows)

    assert re.search(said, note)
    if {"p", "city", "label"} & rows.keys() and "empty" not in said:
        assert not load(tmp_path / "2", rows, declared=[*rows])[1]


@pytest.mark.parametrize(
    "rows",
    [
        {"id": 2**24 - np.arange(ROWS)},
        {"amount": NUMBERS.lognormal(8, 2, ROWS)},
        {"zip": [str(n % 9) for n in range(ROWS)]},
        {"text": [f"{n} apples, 1,5 pears" for n in range(ROWS)]},
        {"grade": [1.5, 2.5] * (ROWS // 2), "label": [1.5, 2.5] * (ROWS // 2)},
    ],
)
def test_nothing_is_said_of_ordinary_columns(tmp_path, rows):
    assert load(tmp_path, rows)[1] == []


def test_numbers_with_fractions_are_no_classes(tmp_path):
    with pytest.raises(DataError, match=r"'label': 600 different numbers .*: tabular-regression"):
        load(tmp_path, {"label": NUMBERS.normal(size=ROWS)})


@pytest.mark.parametrize("kind", [str, float])
def test_unlabelled_rows_are_dropped_where_that_is_set(tmp_path, kind):
    labels = [None if n % 6 == 0 else kind(n % 2) for n in range(ROWS)]
    task = TASK if kind is str else "tabular-regression"

    sets, notes = load(tmp_path, {"label": labels}, task=task, unlabelled="drop")

    assert notes == ["left out 100 rows without a label (data.unlabelled: drop)"]
    assert sum(made.schema.rows for made in sets.values()) == 500


@pytest.mark.parametrize("how", [SHARES, SHARES | {"group": "shop"}])
@pytest.mark.parametrize("size", [1, 3])
def test_every_class_has_a_row_to_train_on(tmp_path, how, size):
    rows = {"label": [f"{n // size:03}" for n in range(ROWS)], "shop": np.arange(ROWS) // 2}
    if size == 1:
        rows["label"] = ["rare", *["a", "b"] * (ROWS // 2)][:ROWS]
    rows |= {} if "group" in how else {"y": rows["shop"]}
    shares = [how, how | {"validation": 0.5, "test": 0.4}]

    for index, share in enumerate(shares):
        sets, _ = load(tmp_path / str(index), rows, share)
        counts = np.bincount(sets["train"].arrays()[1], minlength=len(sets["train"].schema.classes))
        assert counts.min() >= 1
        groups = [{*made.scan().collect()["label"]} for made in sets.values()]
        assert groups[1] and groups[2]


def test_rows_that_are_equal_stay_on_one_side(tmp_path):
    """Also those that move for the sake of a class."""
    rows = {"x": np.arange(ROWS) // 2, "label": [f"{n // 6}" for n in range(ROWS)]}

    sets, _ = load(tmp_path, rows, {"validation": 0.5, "test": 0.4})

    values = [{*made.scan().collect()["x"]} for made in sets.values()]
    assert not values[0] & values[1] | values[0] & values[2] | values[1] & values[2]


@pytest.fixture(params=[True, False])
def networks(request, monkeypatch):
    """Whether a framework is installed that does without."""
    monkeypatch.setattr(writer, "find_spec", lambda _: request.param or None)
    return request.param


CLASSES = pl.Enum(["no", "yes", "new", "none"])
LATE = pl.Series(["no", "yes"] * 298 + ["new"] * 4, dtype=CLASSES)


@pytest.mark.parametrize(
    ("rows", "how", "said"),
    [
        (
            {"label": LATE, "day": range(ROWS)},
            {"time": "day", "validation": 400, "test": 500},
            r"'label': no training row of 'new' \(4\), 'none' \(0\), .*label.values",
        ),
        (
            {"gap": [None] * 400 + [1.0] * 200, "day": range(ROWS)},
            {"time": "day", "validation": 400, "test": 500},
            "column 'gap': no value in any of the 400 training rows; leave it out",
        ),
        ({"gap": [np.nan] * ROWS}, SHARES, "column 'gap': no value in any of the"),
    ],
)
def test_what_training_rows_lack_is_said_before_training(tmp_path, rows, how, said, networks):
    if networks:
        assert any(re.search(said, note) for note in load(tmp_path, rows, how, nullable=["gap"])[1])
        return
    with pytest.raises(DataError, match=said):
        load(tmp_path, rows, how, nullable=["gap"])
