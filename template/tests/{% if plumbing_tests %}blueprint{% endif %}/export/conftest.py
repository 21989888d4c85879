"""Rows with everything that a table may hold, as data sets."""

import numpy as np
import polars as pl
import pytest

from blueprint.data import write_splits

ROWS = 600


def split(rows, root, task, label="label", nullable=()):
    directories = {name: root / name for name in ("train", "validation", "test")}
    shares = {"validation": 0.15, "test": 0.2}
    options = {"label": label, "source": "here", "task": task, "nullable": set(nullable)}
    return write_splits(rows, directories, shares, **options)


@pytest.fixture(scope="session", name="split")
def split_rows():
    """split(rows, root, task): three data sets of a frame."""
    return split


@pytest.fixture(scope="session")
def mixed(tmp_path_factory):
    """mixed(task): a number, one with gaps, a text with gaps and a space in its name, and a label
    of them, as three data sets."""

    def make(task):
        random = np.random.default_rng(1)
        ages = np.where(random.random(ROWS) < 0.1, np.nan, random.normal(40, 10, ROWS))
        cities = random.choice(["Mainz", "Köln", "Trier", ""], ROWS)
        visits = random.integers(0, 9, ROWS)
        score = np.nan_to_num(ages, nan=40) + 10 * (cities == "Mainz") + visits
        label = score if task.endswith("regression") else np.where(score > 47, "high", "low")
        columns = {"age": ages, "city of birth": cities, "visits": visits, "label": label}
        rows = pl.LazyFrame(columns).with_columns(pl.col("city of birth").replace("", None))
        root = tmp_path_factory.mktemp("mixed")
        return split(rows, root, task, nullable={"age", "city of birth"})

    return make
