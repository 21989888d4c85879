"""SQL on SQLite, through SQLAlchemy and through ADBC: types, batches, errors; and that a password
is kept out of everything."""

import datetime
import json
import re
import sqlite3
import sys
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from kfp import dsl

from blueprint import pipelines
from blueprint.data import DataError
from blueprint.data.rules import DTYPES
from blueprint.data.settings import Data
from blueprint.data.sources import read, scan
from blueprint.data.sources.sql import reader as source
from blueprint.logins import without_login
from blueprint.settings import SettingsError
from blueprint.targets import graph
from blueprint.targets.graph import parameters

components = pipelines.module("components")
OUTPUTS = ("train_data", "validation_data", "test_data")
SECRET = "p/w%3Ahush"
TASK = "tabular-classification"


@pytest.fixture
def artifacts(folder):
    """The outputs of load_data in the test's own project folder."""
    return {name: dsl.Dataset(name=name, uri=str(folder / "artifacts" / name)) for name in OUTPUTS}


@pytest.fixture(params=["sqlite", "adbc+sqlite"])
def shop(tmp_path, request):
    """A database with the table `people`: its URL, and a function that runs SQL on it."""
    file = tmp_path / "shop.db"

    def run(statement, *rows):
        with sqlite3.connect(file) as connection:
            connection.executemany(statement, rows) if rows else connection.execute(statement)
        connection.close()

    run("CREATE TABLE people (age INTEGER, height REAL, city TEXT, label TEXT)")
    cities = ("Bonn", None, "Mainz")
    people = [(20 + i % 50, 1.5 + i / 1000, cities[i % 3], "ab"[i % 2]) for i in range(90)]
    run("INSERT INTO people VALUES (?, ?, ?, ?)", *people)
    return f"{request.param}:///{file}", run


def rows(url, **options):
    return scan("sql", url=url, **options).collect()


def test_a_table_and_a_query(shop):
    url, _ = shop

    found = rows(url, table="people")

    assert found.schema == {
        "age": pl.Int64, "height": pl.Float64, "city": pl.String, "label": pl.String,
    }  # fmt: skip
    assert len(found) == 90
    query = "SELECT age FROM people WHERE label <> 'x:y' AND label LIKE 'a%' ORDER BY age DESC"
    assert rows(url, query=query)["age"].to_list() == sorted(found["age"][::2], reverse=True)


def test_rows_come_in_batches_and_can_be_read_twice(shop, monkeypatch):
    monkeypatch.setattr(source, "BATCH_ROWS", 7)
    url, _ = shop

    lazy = scan("sql", url=url, table="people")

    assert lazy.collect().equals(lazy.collect())
    assert lazy.select(pl.len()).collect().item() == 90


def test_a_column_without_values_at_first_needs_its_type(shop, monkeypatch):
    monkeypatch.setattr(source, "BATCH_ROWS", 2)
    url, _ = shop
    query = "SELECT NULL AS age UNION ALL SELECT NULL UNION ALL SELECT 3"

    with pytest.raises(DataError, match=r"column 'age' has no value in the first 2 rows.*data.col"):
        rows(url, query=query)
    assert rows(url, query=query, dtypes={"age": "uint8"})["age"].to_list()[-1] == 3


MAY, NOON = datetime.date(2024, 5, 1), datetime.datetime(2024, 5, 1, 12)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ((MAY,), None, pl.Series([MAY])),
        ((MAY, NOON), None, pl.Series([datetime.datetime(2024, 5, 1), NOON])),
        ((b"x",), None, pl.Series([b"x"])),
        ((True, 2), None, pl.Series([1, 2])),
        ((1, Decimal("2.50"), 0.5), None, pl.Series([1.0, 2.5, 0.5])),
        ((Decimal("2.50"), 1), "string", pl.Series(["2.5", "1"])),
        ((2**64 - 1, 1), "uint64", pl.Series([2**64 - 1, 1], dtype=pl.UInt64)),
        ((2**64 - 1, 1), "float64", pl.Series([2.0**64, 1.0])),
    ],
)
def test_values_of_drivers_have_one_type(values, dtype, expected):
    dtype = source._dtype_of("", (None, *values), DTYPES.get(dtype))
    assert source._series("", values, {"": dtype}, 0).equals(expected, check_dtypes=True)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, 2, 2.5], "float64", [1, 2, 2.5]),
        ([1, 2, 2.5], "float32", [1, 2, 2.5]),
        ([1, 2.5, 3], None, [1, 2.5, 3]),
        ([1, 2, 2.5], None, "2.5 in row 3 is no int64.*declare another dtype in data.columns, or"),
        ([1, 2.5, "A7"], "string", ["1", "2.5", "A7"]),
        ([1, 2, "A7"], "string", ["1", "2", "A7"]),
        ([1, 2, "A7"], "float64", "'A7' in row 3 is no float64"),
        ([1, "2.5", None], "float64", [1, 2.5, None]),
        ([0, 1, None], "bool", [False, True, None]),
        ([None, None, 1], "bool", [None, None, True]),
        ([None, None, 7], "bool", "7 in row 3 is no bool"),
        (["2024-05-01", None, None], "date", [MAY, None, None]),
        ([None, None, "2024-05-01"], "date", [None, None, MAY]),
        ([None, None, "2024-05-01 12:00:00"], "datetime", [None, None, NOON]),
        ([2**63 - 1, 2, 3], None, [2**63 - 1, 2, 3]),
        ([1, 2, 2**63 - 1], "uint64", [1, 2, 2**63 - 1]),
    ],
)
def test_values_of_several_types_in_a_column_of_sqlite(
    values, dtype, expected, tmp_path, monkeypatch
):
    monkeypatch.setattr(source, "BATCH_ROWS", 2)
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE t (value, label TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, 'a')", [(v,) for v in values])
    connection.close()
    column = {"nullable": True} | ({"dtype": dtype} if dtype else {})
    sql = {"url": f"sqlite:///{tmp_path}/x.db", "table": "t"}
    data = Data(task=TASK, source="sql", sql=sql, columns={"value": column})

    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected):
            read(data)[0].collect()
    else:
        assert read(data)[0].collect()["value"].to_list() == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "nobody"}, "no such table: nobody"),
        ({"query": "SELEKT 1"}, 'near "SELEKT": syntax error'),
        ({"query": "SELECT * FROM people WHERE age < 0"}, "no rows"),
        ({"query": "SELECT age, height AS age FROM people"}, "column age comes twice"),
    ],
)
def test_an_error_is_one_line_with_the_database(shop, options, message):
    url, _ = shop

    with pytest.raises(DataError, match=f"^sql {re.escape(url)}: .*{message}") as error:
        rows(url, **options)

    assert "\n" not in str(error.value)


def test_a_value_of_another_type_is_told_in_one_line(shop, monkeypatch):
    """SQLite's columns hold anything; ADBC's driver takes texts where a first batch has one."""
    monkeypatch.setattr(source, "BATCH_ROWS", 45)
    url, _ = shop
    said = "CAST it, or take sqlite" if url[0] == "a" else "'age': 'x' in row 91 is no"

    with pytest.raises(DataError, match=f"^sql {re.escape(url)}: .*{said}") as error:
        rows(url, query="SELECT age FROM people UNION ALL SELECT 'x'")

    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("missing", "url", "packages"),
    [
        ("pyarrow", "adbc+sqlite:///:memory:", "adbc-driver-sqlite pyarrow"),
        ("adbc_driver_duckdb", "adbc+duckdb:///:memory:", "duckdb pyarrow"),
    ],
)
def test_what_adbc_needs_is_told(missing, url, packages, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(DataError, match=f"no {missing}.*; `uv add .* {packages}`"):
        rows(url, table="people")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///gone.db", "sql sqlite:///gone.db: no such file"),
        ("nonsense", "sql nonsense: no URL of the form dialect://host/database"),
        ("oracle://db.example.com/shop", r"no driver \(oracledb\); `uv add` it"),
        ("nothing://db.example.com/shop", r"no driver .*nothing"),
        ("postgresql://me:a@b@127.0.0.1/shop", r"a password's @ is written %40"),
        ("adbc+postgresql://me:a@b@127.0.0.1/shop", r"a password's @ is written %40"),
        ("adbc+sqlite:///gone.db", r"sql adbc\+sqlite:///gone.db: no such file"),
        ("adbc+sqlite://me:hush@/:memory:", r"no host, user or password: adbc\+sqlite:///path"),
        ("adbc+nothing://db.example.com/shop", r"no adbc_driver_nothing; `uv add --group pipe"),
    ],
)
def test_an_address_that_leads_nowhere(url, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(DataError, match=message) as error:
        rows(url, table="people")

    assert "a@b" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:hush@db/shop", "postgresql://me@db/shop"),
        ("postgresql+psycopg://me:a/b@c@db:1/shop", "postgresql+psycopg://me@db:1/shop"),
        ("adbc+postgresql://me:hush@db/shop", "adbc+postgresql://me@db/shop"),
        ("mysql://:hush@db/shop", "mysql://@db/shop"),
        ("postgresql://db/shop?user=me&password=hush", "postgresql://db/shop?user=me&"),
        ("postgresql://me@db:5432/shop", "postgresql://me@db:5432/shop"),
        ("sqlite:////data/shop.db", "sqlite:////data/shop.db"),
    ],
)
def test_a_password_is_found_wherever_it_is(url, shown):
    assert without_login(url) == shown


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.sql.url=mysql://me:hush@db/s"], "data.sql.url: a login is in it.*SQL__PASS"),
        (["data.sql.password=hush"], "data.sql.password: set it in the environment: MLOPS_DATA__"),
        (["data.sql.query=SELECT 1"], "data.sql: give one of query and table"),
        (["data.source=files", "data.files=null"], "source: files needs data.files.path"),
        (["data.sql.url=5"], "data.sql.url: Input should be a valid string"),
    ],
)
def test_configuration_with_a_password_is_refused(load, overrides, message, monkeypatch):
    monkeypatch.setenv("MLOPS_DATA__SQL__URL", f"postgresql://me:{SECRET}@db/shop")

    with pytest.raises(SettingsError, match=message) as error:
        load("data.source=sql", "data.sql.table=people", *overrides)

    assert "hush" not in str(error.value)


def test_a_password_in_arguments_from_elsewhere_is_refused():
    with pytest.raises(ValueError, match="a login is in it") as error:
        Data(
            task=TASK, source="sql", sql={"url": "postgresql://me:hush@db/shop", "table": "people"}
        )

    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    "variables",
    [
        {"MLOPS_DATA__SQL__URL": f"sqlite://me:{SECRET}@/FILE"},
        {"MLOPS_DATA__SQL": json.dumps({"url": f"sqlite://me:{SECRET}@/FILE"})},
        {
            "MLOPS_DATA__SQL__URL": "sqlite:///FILE",
            "MLOPS_DATA__SQL__USER": "me",
            "MLOPS_DATA__SQL__PASSWORD": SECRET,
        },
    ],
)
def test_a_password_reaches_the_source_and_nothing_else(
    variables, load, shop, artifacts, monkeypatch, capfd
):
    dialect, _, file = shop[0].partition(":///")
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("sqlite", dialect).replace("FILE", file))
    loaded = load("data.source=sql", "data.sql.table=people", "data.columns.city.nullable=true")

    options = loaded.data.options()
    values = parameters(loaded)
    spec = str(graph.configure(loaded, "image").pipeline.pipeline_spec)

    assert SECRET in (options["password"] or options["url"])
    assert "hush" not in json.dumps(values) + spec + repr(loaded)
    assert values["data"]["sql"]["table"] == "people"
    refused = f"^sql {re.escape(dialect)}:"  # it takes no password
    with pytest.raises(DataError, match=refused) as error:
        components.load_data.python_func(
            data=values["data"], registry=values["registry"], snapshot="", **artifacts
        )
    written = "".join(p.read_text() for p in Path("artifacts").rglob("*") if p.is_file())
    assert "hush" not in str(error.value) + written + "".join(capfd.readouterr())


def test_a_password_goes_to_its_own_database_only(monkeypatch):
    monkeypatch.setenv("MLOPS_DATA__SQL__URL", "postgresql://me:hush@db/shop")

    other = Data(
        task=TASK, source="sql", sql={"url": "postgresql://me@elsewhere/shop", "table": "people"}
    )
    own = Data(task=TASK, source="sql", sql={"url": "postgresql://me@db/shop", "table": "people"})
    unnamed = Data(task=TASK, source="sql", sql={"table": "people"})

    assert other.options()["url"] == "postgresql://me@elsewhere/shop"
    assert own.options()["url"] == unnamed.options()["url"] == "postgresql://me:hush@db/shop"
    assert own.origin() == unnamed.origin() == "sql postgresql://db/shop"
    monkeypatch.delenv("MLOPS_DATA__SQL__URL")
    with pytest.raises(SettingsError, match=r"data.sql.url is missing"):
        unnamed.options()


def test_the_pipeline_s_first_step_reads_a_database(shop, load, artifacts, capsys):
    url, run = shop
    run("UPDATE people SET age = -5 WHERE rowid = 3")
    loaded = load(
        f"data.task={TASK}",
        "data.source=sql",
        f"data.sql.url={url}",
        "data.sql.table=null",
        "data.sql.query=SELECT age AS image, label FROM people",
        "data.columns.image.min=0",
        "data.columns.label.values=[a, b]",
        "data.quarantine=true",
    )

    values = parameters(loaded)
    components.load_data.python_func(
        data=values["data"], registry=values["registry"], snapshot="", **artifacts
    )

    said = capsys.readouterr().out
    assert "says: quarantined 1 of 90 rows: image below 0 (1)" in said
    assert artifacts["train_data"].metadata["quarantined_rows"] == 1
    assert artifacts["train_data"].metadata["source"] == f"sql {url}"


def test_a_database_is_asked_once(shop):
    """Rows that change meanwhile are not seen by the second reading."""
    data = Data(task=TASK, source="sql", sql={"url": shop[0], "table": "people"})

    checked, _ = read(data)
    before = checked.collect()
    shop[1]("UPDATE people SET label = NULL WHERE age = 30")

    assert checked.collect().equals(before)
    assert before["label"].null_count() == 0
    assert read(data)[0].collect()["label"].null_count() > 0


def test_a_file_of_this_machine_is_nothing_for_a_cluster():
    sql = {"url": "sqlite:///x.db", "table": "x"}
    assert "database's server" in Data(task=TASK, source="sql", sql=sql).only_here()
    sql["url"] = "postgresql://db/x"
    assert Data(task=TASK, source="sql", sql=sql).only_here() == ""


def test_a_source_that_is_not_there_says_how_to_add_it():
    with pytest.raises(ValueError, match=r"reads files, sample, sql; `make upgrade ARGS=data_so"):
        Data(task=TASK, source="mongodb")
