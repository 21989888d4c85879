"""An owner makes the project theirs: other data, another model, another gate. `make test lint` is
green, for what the owner's tests read is what the owner has written.
"""

import textwrap
from pathlib import Path

import pytest
import yaml

from support.project import Project
from support.projects import made

DATA = '''
"""The rents of flats."""

import polars as pl


def load_data(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Dear or not, by what was known before."""
    return rows.with_columns(age=pl.col("age").fill_null(0.0)).select(
        "age", "city", "rooms", "day", "price"
    )
'''
TRAIN = '''
"""A forest in place of what was there."""

from typing import Any

from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from blueprint.data import Dataset, as_table


def train_model(
    train: Dataset, validation: Dataset, *, trees: int = 20, depth: int = 6
) -> tuple[Any, dict[str, list[float]]]:
    """Fit a forest; it has no learning curves."""
    features, labels = train.arrays()
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder="passthrough"
    )
    model = make_pipeline(encoder, RandomForestClassifier(trees, max_depth=depth, random_state=1))
    model.fit(as_table(features), labels)
    return model, {}
'''
ROWS = """
import sys
import numpy as np, polars as pl
random, n = np.random.default_rng(1), 900
age, rooms = random.normal(40, 10, n).round(5), random.integers(1, 9, n)
city = random.choice(["Mainz", "Trier"], n)
price = np.where(3 * age + 80 * rooms + 100 * (city == "Mainz") > 500, "dear", "fair")
start = np.datetime64("2024-01-01")
pl.DataFrame(
    {"id": np.arange(n), "age": age, "city": city, "rooms": rooms,
     "day": start + np.arange(n) // 3, "price": price}
).write_csv(sys.argv[1])
"""
COLUMNS = {
    "age": {"dtype": "float64", "min": 0, "nullable": True},
    "city": {"dtype": "string", "values": ["Mainz", "Trier"]},
    "rooms": {"dtype": "int64", "min": 1},
    "day": {"dtype": "date"},
    "price": {"dtype": "string"},
}


def configure(project: Project, **sections: object) -> None:
    file = project.path / "config" / "base.yaml"
    content = yaml.safe_load(file.read_text())
    for name, values in sections.items():
        content[name] = values
    file.write_text(yaml.safe_dump(content))


@pytest.fixture(scope="module")
def own(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of tables that its owner has made theirs."""
    folder = tmp_path_factory.mktemp("e2e") / "an owner's project"
    project = made(template, folder, framework="sklearn", task="tabular-classification", ci="none")
    (project.path / "data").mkdir()
    project.run_python("-c", ROWS, "data/rents.csv")
    [package] = [path.parent for path in project.path.glob("src/*/train.py")]
    (package / "data.py").write_text(textwrap.dedent(DATA).lstrip())
    (package / "train.py").write_text(textwrap.dedent(TRAIN).lstrip())
    configure(
        project,
        data={
            "task": "tabular-classification",
            "source": "files",
            "files": {"path": "data/*.csv"},
            "label": "price",
            "columns": COLUMNS,
            "extra_columns": "drop",
            "split": {"time": "day", "validation": "2024-07-15", "test": "2024-09-01"},
        },
        train={"trees": 30},
        gate={
            "floors": {"roc_auc": 0.9, "log_loss": 0.4},
            "champion": {"metric": "roc_auc", "margin": 0.05},
        },
    )
    return project


def test_its_run_is_accepted(own: Project) -> None:
    shown = own.make("run").stdout
    assert "accepted" in shown, shown


def test_its_checks_are_green(own: Project) -> None:
    shown = own.make("test", "lint", timeout=900).stdout
    assert "skipped" not in shown, shown


def test_a_gate_that_lets_everything_pass_is_found(own: Project) -> None:
    file = own.path / "config" / "base.yaml"
    kept = file.read_text()
    try:
        configure(own, gate={"baseline": False, "champion": {"metric": "roc_auc", "margin": 1.0}})
        done = own.make("test", "ARGS=-q tests/test_gate.py", check=False, timeout=600)
    finally:
        file.write_text(kept)
    assert done.returncode
    assert "test_a_model_that_learned_nothing_is_rejected" in done.stdout
