"""`make columns`: what it proposes is a configuration that the same rows fulfil."""

import datetime
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from blueprint.data import DataError
from blueprint.data.columns.commands import app
from blueprint.data.columns.proposal import propose
from blueprint.data.settings import Data
from blueprint.data.sources import read

FEW = {
    "age": [18, 30, 95],
    "height": [1.5, np.nan, 1.75],
    "city": ["Köln", None, "Bonn"],
    "zip": ["01234", "53111", "01234"],
    "sex": ["1", "2", "1"],
    "seen": [datetime.date(2024, 5, 1)] * 3,
    "at": [datetime.datetime(2024, 5, 1, 12)] * 3,
    "paid": [True, False, True],
    "sum": [Decimal("1.50")] * 3,
    "yes: no": ["null", "true", "1e3"],
    "": [0, 1, 2],
    "far": [1.0, np.inf, 2.0],
}
MANY = {
    "price": ["1.5", None, *map(str, range(28))],
    "cost": ["1,5", None, *(f"{n},25" for n in range(28))],
    "day": [f"2024-05-{n:02}" for n in range(1, 31)],
}
COLUMNS = {name: values * 10 for name, values in FEW.items()} | MANY
TABLE = "tabular-classification"


def source(path, rows, task=TABLE):
    pl.DataFrame(rows).write_parquet(path)
    return Data(task=task, source="files", files={"path": str(path)})


@pytest.mark.parametrize("task", [TABLE, "tabular-regression"])
@pytest.mark.parametrize("label", [["no", "yes", "no"], [1, 0, None], [True, False, True]])
def test_a_proposal_can_be_pasted(tmp_path, task, label):
    if task != TABLE and label[0] == "no":
        label = [0.5, 1.5, None]
    data = source(tmp_path / "rows.parquet", COLUMNS | {"label": label * 10}, task)

    text, said = propose(data)

    assert "#" not in text
    proposed = yaml.safe_load(text)["data"]["columns"]
    assert [*proposed] == [*COLUMNS, "label"]
    assert proposed["age"] == {"dtype": "int64", "min": 18, "max": 95}
    assert proposed["city"] == {"dtype": "string", "values": ["Bonn", "Köln"], "nullable": True}
    assert proposed["zip"]["dtype"] == proposed["sex"]["dtype"] == "string"
    assert (proposed["price"]["dtype"], proposed["day"]["dtype"]) == ("float64", "date")
    assert proposed["cost"] == {"nullable": True}
    assert any(line.startswith("cost: numbers with decimal commas") for line in said)
    assert ("values" in proposed["label"]) == (task == TABLE)
    assert any("rows have no label" in line for line in said) == (None in label)
    proposed.pop("far")
    pasted = Data(
        **data.model_dump(exclude={"columns"}) | {"extra_columns": "drop", "unlabelled": "drop"},
        columns=proposed,
    )
    assert read(pasted)[0].collect().shape == (30, len(COLUMNS))


def test_many_values_are_no_list(tmp_path):
    rows = {"name": [f"n{n}" for n in range(50)], "label": range(50)}

    text, _ = propose(source(tmp_path / "rows.parquet", rows))

    columns = yaml.safe_load(text)["data"]["columns"]
    assert columns["name"] == {"dtype": "string"}
    assert columns["label"] == {"dtype": "int64", "min": 0, "max": 49}


def test_what_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "rows.csv").write_text("x,label\n1,a\n2,b,c\n")
    data = Data(task=TABLE, source="files", files={"path": str(tmp_path / "rows.csv")})

    with pytest.raises(DataError, match=r"rows.csv: row 2 has 3 values"):
        propose(data)


def test_the_command_prints_yaml_alone(load, monkeypatch):
    load()
    monkeypatch.setenv("MLOPS_ENV", "test")

    result = CliRunner().invoke(app, ["data.source=sample"])

    assert result.exit_code == 0, result.output
    assert "label" in yaml.safe_load(result.stdout)["data"]["columns"]
    assert result.stderr.startswith("# from ")
