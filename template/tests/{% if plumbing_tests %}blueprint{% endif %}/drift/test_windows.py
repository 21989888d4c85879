"""Which rows are looked at: of files, of a query, of the log; and what is wrong with others."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from blueprint import settings
from blueprint.data.sources import names
from blueprint.errors import UserError
from blueprint.model import Model, Signature, Tensor
from blueprint.monitoring.drift import windows
from blueprint.monitoring.drift.settings import Drift

ROWS = pl.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "city": ["a", None, "b", "a"]})


@pytest.fixture
def model() -> Any:
    """Predicts "no" with 0.75 for small sizes and "yes" for large ones."""
    inputs = Tensor("size", "float32", ()), Tensor("city", "string", (), nullable=True)
    output = Tensor("probabilities", "float32", (2,))
    signature = Signature("tabular-classification", inputs, output, ("no", "yes"), "0" * 64)
    made: Any = object.__new__(Model)
    made.signature = signature
    made._run = lambda arrays: np.where(arrays["size"][:, None] < 3, [0.75, 0.25], [0.2, 0.8])
    return made


def read(model: Any, data: Any = None, **given: Any) -> windows.Window:
    return windows.read(Drift(**given), model, "m", "1", None, data)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_rows_of_a_file_are_predicted(model: Any, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows.{suffix}"
    write = ROWS.write_parquet if suffix == "parquet" else ROWS.write_csv
    write(path)
    window = read(model, source="path", path=str(path), window_rows=3)
    assert window.frame["input.size"].to_list() == [2.0, 3.0, 4.0]
    assert window.frame["input.city"].to_list() == [None, "b", "a"]
    assert window.frame["prediction"].to_list() == ["no", "yes", "yes"]
    assert window.frame["probability"].to_list() == pytest.approx([0.75, 0.8, 0.8])
    assert "the last 3 rows" in window.text


@pytest.mark.parametrize("form", ["utc", "naive", "text", "elsewhere"])
def test_the_last_hours_of_a_file_are_told_by_a_column(
    model: Any, tmp_path: Path, form: str
) -> None:
    now, path = datetime.now(UTC), tmp_path / "rows.parquet"
    times = pl.Series([now - timedelta(hours=place) for place in (30, 3, 2, 1)])
    forms = {
        "utc": times,
        "naive": times.dt.replace_time_zone(None),
        "text": times.dt.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "elsewhere": times.dt.convert_time_zone("Asia/Tokyo"),
    }
    ROWS.with_columns(asked=forms[form]).write_parquet(path)
    asked: Any = {"source": "path", "path": str(path), "window_hours": 24}
    window = read(model, time="asked", **asked)
    assert window.frame["input.size"].to_list() == [2.0, 3.0, 4.0]
    assert "input.asked" not in window.frame.columns and "the last 24 hours" in window.text
    with pytest.raises(UserError, match="no column 'when'; has size, city, asked"):
        read(model, time="when", **asked)
    with pytest.raises(UserError, match="column 'size' holds no times"):
        read(model, time="size", **asked)


def test_predictions_and_labels_of_a_file_are_kept(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    ROWS.with_columns(prediction=pl.lit("yes"), truth=pl.lit("no")).write_parquet(path)
    window = read(model, SimpleNamespace(label="truth"), source="path", path=str(path))
    assert window.frame["prediction"].to_list() == ["yes"] * 4
    assert window.frame["label"].to_list() == ["no"] * 4
    assert "input.truth" not in window.frame.columns


def test_rows_without_all_inputs_have_no_predictions(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    ROWS.drop("city").write_parquet(path)
    window = read(model, source="path", path=str(path))
    assert window.frame.columns == ["input.size"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"source": "path", "path": "nowhere.parquet"}, "no such file"),
        ({"source": "log"}, "logs no predictions"),
    ],
)
def test_rows_that_are_not_there_are_one_line(model: Any, given: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read(model, **given)
    assert "\n" not in str(caught.value)


def test_texts_in_place_of_numbers_are_named(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    ROWS.with_columns(size=pl.lit("many")).write_parquet(path)
    with pytest.raises(UserError, match="column 'size'"):
        read(model, source="path", path=str(path))


def test_a_source_without_its_rows_is_an_error() -> None:
    with pytest.raises(ValidationError, match="source: path needs path"):
        Drift(source="path")
    with pytest.raises(ValidationError, match="needs time, a column"):
        Drift(source="path", path="rows.csv", window_hours=1)


@pytest.mark.skipif("sql" not in names(), reason="data_source=sql")
def test_rows_of_a_query_are_read(model: Any, tmp_path: Path) -> None:
    import sqlite3

    from blueprint.data.sources.sql import Settings

    with sqlite3.connect(tmp_path / "db") as database:
        database.execute("create table calls (size real, city text, day int)")
        database.executemany("insert into calls values (?, ?, 1)", ROWS.rows())
    sql = Settings(url=f"sqlite:///{tmp_path}/db", table="other")
    query = "select size, city from calls where day = 1 order by size"
    window = read(model, SimpleNamespace(sql=sql, label="label"), source="query", query=query)
    assert window.frame["prediction"].to_list() == ["no", "no", "yes", "yes"]


@pytest.mark.skipif("sql" in names(), reason="a project that reads no database")
def test_a_query_needs_the_source(model: Any) -> None:
    with pytest.raises(UserError, match="data_source=sql"):
        read(model, source="query", query="select 1")


def test_rows_of_the_log_are_those_of_the_version(model: Any, tmp_path: Path) -> None:
    pytest.importorskip("blueprint.monitoring.prediction_log.reading")
    from blueprint.monitoring.prediction_log.settings import PredictionLog

    day = tmp_path / "m" / f"date={datetime.now(UTC):%Y-%m-%d}"
    day.mkdir(parents=True)
    now = datetime.now(UTC)
    logged = pl.DataFrame(
        {
            "request_id": [f"r{place}" for place in range(6)],
            "row": pl.Series([0] * 6, dtype=pl.Int32),
            "time": [now - timedelta(hours=place) for place in range(6)],
            "version": ["1", "1", "2", "1", "1", "1"],
            "route": ["v1"] * 6,
            "prediction": ["no"] * 6,
            "probability": [0.9] * 6,
            "input.size": [float(place) for place in range(6)],
            "input.who": ["hash"] * 6,
        },
        schema_overrides={"time": pl.Datetime("us", "UTC")},
    )
    logged.write_parquet(day / f"{now:%Y-%m-%dT%H-%M-%S.%f}-host-1-0.parquet")
    section = PredictionLog(path=str(tmp_path), hashed=["who"])

    def rows(**given: Any) -> windows.Window:
        return windows.read(Drift(**given), model, "m", "1", section)

    window = rows()
    assert sorted(window.frame["input.size"].to_list()) == [0, 1, 3, 4, 5]
    assert "without 1 row of other versions" in window.text
    assert window.frame.columns == ["input.size", "prediction", "probability", "label"] or set(
        window.frame.columns
    ) == {"input.size", "prediction", "probability", "label"}
    assert sorted(rows(window_rows=2).frame["input.size"].to_list()) == [0, 1]
    assert sorted(rows(window_hours=3.5).frame["input.size"].to_list()) == [0, 1, 3]


def test_more_rows_than_fit_are_thinned(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "LARGEST", 100)
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"size": np.arange(1000.0), "city": ["a"] * 1000}).write_parquet(path)
    window = read(model, source="path", path=str(path))
    assert window.frame["input.size"].to_list() == list(np.arange(0.0, 1000, 10))


def test_the_section_is_read_from_the_configuration(load: Callable[..., Any]) -> None:
    loaded = load("drift.thresholds.wasserstein=0.3", "drift.columns.age.method=ks")
    assert loaded.drift.thresholds.wasserstein == 0.3
    assert loaded.drift.columns["age"].method == "ks"
    with pytest.raises(settings.SettingsError, match=r"drift\.share"):
        load("drift.share=2")
