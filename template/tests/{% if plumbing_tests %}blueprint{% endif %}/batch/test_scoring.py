"""Scores: every row once and in order, whatever kills the run, and never of two models."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from blueprint.batch.scoring import score
from blueprint.batch.settings import Batch
from blueprint.data import DataError
from blueprint.data.storage import Folder
from blueprint.errors import UserError
from blueprint.model import Model

SETTINGS = Batch(part_rows=400)
SLOW = """
import sys, time
from blueprint.batch.scoring import score
from blueprint.model import Model
from blueprint.batch.settings import Batch

source, output, model = sys.argv[1:]
wait = lambda done, total: time.sleep(0.05)
score(source, output, Model(model), "1", Batch(part_rows=400), report=wait)
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    path = tmp_path / "a project"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def expected(model, rows):
    """The rows with what the model says of them all at once."""
    outputs = model.predict(
        {
            "age": rows["age"].cast(pl.Float32).fill_null(np.nan).to_numpy(),
            "rooms": rows["rooms"].to_numpy(),
            "city": rows["city"].fill_null("").to_numpy(),
        }
    )
    if not model.signature.classes:
        return rows.with_columns(pl.Series("prediction", outputs))
    names = [model.signature.classes[best] for best in outputs.argmax(axis=1)]
    return rows.with_columns(
        pl.Series("prediction", names), pl.Series("probability", outputs.max(axis=1))
    )


def read(output):
    """Scores as they were typed before, CSV or not."""
    path = Path(output)
    if path.suffix == ".csv":
        texts = dict.fromkeys(("id", "note", "city", "prediction"), pl.String)
        return pl.read_csv(path, schema_overrides=texts | {"probability": pl.Float32})
    return pl.read_parquet(path / "part-*.parquet" if path.is_dir() else path)


def content(output):
    """The bytes of the scores: of the file, or of each part in a folder."""
    path = Path(output)
    files = sorted(path.glob("part-*")) if path.is_dir() else [path]
    return [file.read_bytes() for file in files]


@pytest.mark.parametrize("output", ["scores.csv", "scores.parquet", "scores/", "new/folder"])
@pytest.mark.parametrize("source", ["new rows.csv", "new.parquet", "parts/", "parts/*.csv"])
def test_every_row_is_kept_in_order_with_its_prediction(source, output, rows, model):
    rows.write_csv("new rows.csv")
    rows.write_parquet("new.parquet")
    Path("parts").mkdir()
    for start in range(0, len(rows), 1_000):
        rows.slice(start, 1_000).write_csv(f"parts/{start:04}.csv")

    summary = score(source, output, model, "7", SETTINGS)

    assert (summary.rows, summary.scored, dict(summary.unscored)) == (2_500, 2_500, {})
    assert "2,500 rows scored with version 7" in summary.lines()[0]
    assert_frame_equal(read(output), expected(model, rows), check_exact=False)
    record = Path(f"{output}.json" if "." in output else f"{output}/_scoring.json")
    found = json.loads(record.read_text())
    assert found["plan"]["sha256"] == model.signature.sha256
    assert (found["plan"]["input"], found["plan"]["version"]) == (source, "7")
    assert (found["rows"], found["complete"]) == (2_500, True)
    assert not Path(f"{output}.parts").exists()


def test_a_csv_that_is_scored_to_csv_keeps_every_character(rows, model):
    text = 'id,age,city,rooms,extra\n007,41.50,Mainz,3,"1,5"\n008,,Köln,4,\n'
    Path("new.csv").write_text(text)

    score("new.csv", "scores.csv", model, "1", SETTINGS)

    header, *lines = Path("scores.csv").read_text().splitlines()
    assert header == "id,age,city,rooms,extra,prediction,probability"
    assert [line.rpartition(",")[0].rpartition(",")[0] for line in lines] == text.splitlines()[1:]


def test_a_regression_gives_a_number(rows, tmp_path, model_writer):
    rows.write_parquet("new.parquet")
    model = Model(model_writer(tmp_path / "numbers", classes=()))

    score("new.parquet", "scores.parquet", model, "1", SETTINGS)

    assert_frame_equal(read("scores.parquet"), expected(model, rows))


def test_no_rows_give_an_empty_table(rows, model):
    rows.head(0).write_csv("new.csv")

    assert score("new.csv", "scores.csv", model, "1", SETTINGS).rows == 0

    assert Path("scores.csv").read_text() == "id,age,city,rooms,note,prediction,probability\n"


@pytest.mark.parametrize("output", ["scores.csv", "scores.parquet", "scores/"])
def test_a_run_that_is_killed_goes_on_where_it_was(output, rows, model, tmp_path):
    rows.write_csv("new.csv")
    score("new.csv", f"whole-{output}", model, "1", SETTINGS)
    state = Path(f"{output}.parts" if "." in output else output) / "_scoring.json"
    command = [sys.executable, "-c", SLOW, "new.csv", output, str(tmp_path / "model")]
    process = subprocess.Popen(command)
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        if state.exists() and json.loads(state.read_text())["parts"] >= 2:
            break
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was done before it was killed"
    assert not Path(output).is_file(), "a single file appears when it is whole"
    done = json.loads(state.read_text())["parts"] * 400

    said, seen = [], []
    summary = score(
        "new.csv",
        output,
        model,
        "1",
        SETTINGS,
        say=said.append,
        report=lambda done, total: seen.append(done),
    )

    assert said[0] == f"going on after {done:,} of 2,500 rows"
    assert (seen[0], seen[-1], summary.scored) == (done, 2_500, 2_500 - done)
    assert_frame_equal(read(output), read(f"whole-{output}"), check_exact=True)
    if output != "scores.parquet":  # its row groups are Polars's business
        assert content(output) == content(f"whole-{output}")
    assert_frame_equal(read(output), expected(model, rows), check_exact=False)


@pytest.mark.parametrize("output", ["scores.csv", "scores.parquet", "scores/"])
def test_an_end_after_any_change_on_the_disk_does_no_harm(output, rows, model, monkeypatch):
    """Scores of other rows are there already, so that they are replaced part by part."""
    rows.write_csv("new.csv")
    rows.head(700).write_csv("old.csv")
    writing = {name: getattr(Folder, name) for name in ("write", "write_stream", "delete")}
    last = 0

    def end_after(steps):
        left = [steps]

        def wrap(method):
            def changed(*arguments):
                left[0] -= 1
                if left[0] < 0:
                    raise KeyboardInterrupt
                return method(*arguments)

            return changed

        for name, method in writing.items():
            monkeypatch.setattr(Folder, name, wrap(method))

    for steps in range(100):
        end_after(10_000)
        score("old.csv", output, model, "1", SETTINGS, force=True)
        end_after(steps)
        try:
            score("new.csv", output, model, "1", SETTINGS, force=True)
        except KeyboardInterrupt:
            last = steps
        end_after(10_000)
        summary = score("new.csv", output, model, "1", SETTINGS, force=steps == 0)
        assert_frame_equal(read(output), expected(model, rows), check_exact=False)
        assert not Path(f"{output}.parts").exists()
        if last < steps:
            assert summary.scored == 0
            break
    assert 10 < last < 99


def test_what_has_changed_is_not_mixed(rows, tmp_path, model, model_writer, monkeypatch):
    rows.write_csv("new.csv")
    other = Model(model_writer(tmp_path / "other", weight=0.2))
    stop_at = 900

    def stop(done, total):
        if done > stop_at:
            raise KeyboardInterrupt

    def refused(message, *, source="new.csv", model=model, version="1", settings=SETTINGS):
        with pytest.raises(UserError, match=message) as error:
            score(source, "scores.csv", model, version, settings)
        assert "\n" not in str(error.value)
        assert "FORCE=1" in str(error.value)

    with pytest.raises(KeyboardInterrupt):
        score("new.csv", "scores.csv", model, "1", SETTINGS, report=stop)
    refused("half done, with version 1 of the model, not 2", model=other, version="2")
    refused("half done, with version 1 of the model", model=other)
    refused("half done, with part_rows 400, not 500", settings=Batch(part_rows=500))
    rows.head(2_000).write_csv("new.csv")
    refused("half done, of files that have changed since")
    assert not Path("scores.csv").exists()

    score("new.csv", "scores.csv", other, "2", SETTINGS, force=True)
    assert_frame_equal(read("scores.csv"), expected(other, rows.head(2_000)), check_exact=False)

    before = content("scores.csv")
    refused("is there already, with version 2 of the model, not 1")
    rows.write_parquet("more.parquet")
    refused("is there already, of INPUT=new.csv", source="more.parquet", model=other, version="2")
    Path("scores.csv.json").unlink()
    refused("is there already, and no record says of what")
    assert content("scores.csv") == before


def test_the_same_command_again_does_nothing(rows, model):
    rows.write_csv("new.csv")
    score("new.csv", "scores/", model, "1", SETTINGS)
    before = content("scores/")

    [line] = score("new.csv", "scores/", model, "1", SETTINGS).lines()

    assert "2,500 rows already" in line
    assert "FORCE=1" in line
    assert content("scores/") == before


def test_what_is_begun_without_a_part_holds_up_nobody(rows, model):
    rows.with_columns(rooms=pl.lit("many")).write_csv("new.csv")
    for output in ("scores.csv", "scores/"):
        with pytest.raises(DataError, match="not int64 in row 1 "):
            score("new.csv", output, model, "1", SETTINGS)
    rows.write_csv("new.csv")

    for output in ("scores.csv", "scores/"):
        assert score("new.csv", output, model, "1", SETTINGS).scored == 2_500


def test_two_runs_at_once_are_kept_apart(rows, model):
    rows.write_csv("new.csv")

    def second(done, total):
        with pytest.raises(UserError, match=r"another run writes to scores\.csv\.parts"):
            score("new.csv", "scores.csv", model, "1", SETTINGS)

    assert score("new.csv", "scores.csv", model, "1", SETTINGS, report=second).rows == 2_500


def test_a_part_that_is_gone_is_noticed(rows, model):
    rows.write_csv("new.csv")

    def lose(done, total):
        if done > 1_000:
            Path("scores/part-000001.parquet").unlink(missing_ok=True)

    with pytest.raises(UserError, match="parts are gone"):
        score("new.csv", "scores/", model, "1", SETTINGS, report=lose)


def test_pictures_are_scored_and_their_faults_named(digits, tmp_path, picture_model):
    pictures = digits["test"].scan().collect().with_columns(pl.col("label").cast(pl.String))
    pictures.write_parquet("new.parquet")

    assert score("new.parquet", "scores.parquet", picture_model, "1", Batch()).rows == len(pictures)

    scores = read("scores.parquet")
    assert_frame_equal(scores.select(pictures.columns), pictures)
    means = pictures["image"].to_numpy().reshape(len(pictures), -1).mean(axis=1)
    np.testing.assert_allclose(scores["prediction"], means, rtol=1e-5)
    with pytest.raises(UserError, match="column 'image' is an array, which CSV cannot hold"):
        score("new.parquet", "scores.csv", picture_model, "1", Batch())
    values = pictures["image"].to_list()
    values[7] = [[None, *line[1:]] for line in values[7]]
    kind = pictures.schema["image"]
    bad = pictures.with_columns(pl.Series("image", values, dtype=kind))
    bad.write_parquet("bad.parquet")
    with pytest.raises(
        DataError, match="column 'image': a missing or infinite number in row 8 "
    ) as error:
        score("bad.parquet", "other.parquet", picture_model, "1", Batch())
    assert "\n" not in str(error.value)
    pictures.with_columns(pl.col("image").arr.get(0)).write_parquet("bad.parquet")
    with pytest.raises(DataError, match=r"column 'image' is Array.*the model takes uint8"):
        score("bad.parquet", "other.parquet", picture_model, "1", Batch())


def test_a_folder_of_other_files_is_left_alone(rows, model):
    rows.write_csv("new.csv")
    Path("mine").mkdir()
    Path("mine/part-000000.parquet").write_text("precious")

    with pytest.raises(UserError, match="holds other files: choose an empty folder"):
        score("new.csv", "mine", model, "1", SETTINGS, force=True)

    assert [file.name for file in Path("mine").iterdir()] == ["part-000000.parquet"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rooms": "drop"}, "files new.csv: no column 'rooms', which the model takes"),
        ({"rooms": "many"}, r"files new.csv: column 'rooms': not int64 in row 1,235 \('many'\)"),
        ({"rooms": ""}, r"files new.csv: column 'rooms': missing in row 1,235 \(None\)"),
        ({"age": "old"}, r"files new.csv: column 'age': not float32 in row 1,235 \('old'\)"),
        ({"prediction": "add"}, "files new.csv: column 'prediction' is what scoring adds"),
    ],
)
def test_a_bad_row_is_named_and_stops(change, message, rows, model):
    [(name, value)] = change.items()
    texts = rows.with_columns(pl.col("rooms", "age").cast(pl.String), prediction=pl.lit("x"))
    if value != "add":
        texts = texts.drop("prediction")
    if value == "drop":
        texts = texts.drop(name)
    elif value != "add":
        texts[1_234, name] = value or None
    texts.write_csv("new.csv")

    with pytest.raises(DataError, match=message) as error:
        score("new.csv", "scores.csv", model, "1", SETTINGS)

    assert "\n" not in str(error.value)
    assert not Path("scores.csv").exists()


@pytest.mark.parametrize("output", ["scores.csv", "scores.parquet"])
def test_bad_rows_in_quarantine_are_kept_without_a_prediction(output, rows, model):
    texts = rows.with_columns(pl.col("rooms").cast(pl.String))
    for row, value in ((0, "many"), (1_234, None), (2_499, "1.5")):
        texts[row, "rooms"] = value
    texts.write_csv("new.csv")

    summary = score("new.csv", output, model, "1", Batch(part_rows=400, quarantine=True))

    assert summary.unscored == {"rooms: not int64": 2, "rooms: missing": 1}
    assert "without a prediction: rooms: not int64 (2), rooms: missing (1)" in summary.lines()
    found = read(output).select("id", "prediction", "probability")
    wanted = expected(model, rows).select("id", "prediction", "probability")
    bad = pl.Series(np.isin(np.arange(2_500), [0, 1_234, 2_499]))
    assert found.filter(bad)["prediction"].null_count() == 3
    assert_frame_equal(found.filter(~bad), wanted.filter(~bad), check_exact=False)


def test_a_model_that_predicts_no_number_stops(rows, model, monkeypatch):
    rows.write_csv("new.csv")

    def predict(inputs, real=model.predict):
        outputs = real(inputs)
        outputs[7] = np.nan
        return outputs

    monkeypatch.setattr(model, "predict", predict)

    with pytest.raises(UserError, match=r"files new.csv: row 8: the model predicts no number"):
        score("new.csv", "scores.csv", model, "1", SETTINGS)


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("new.csv", "new.csv", "lies in INPUT"),
        ("*.csv", "scores.csv", "lies in INPUT"),
        (".", "scores.csv", "lies in INPUT"),
        ("new.csv", "scores.xlsx", "expected a .parquet or .csv file, or a folder"),
        ("nothing.csv", "scores.csv", "files nothing.csv: no such file or folder"),
        ("new.csv", "new.csv/scores.csv", "new.csv"),
    ],
)
def test_places_that_cannot_be(source, output, message, rows, model, here):
    rows.write_csv("new.csv")

    with pytest.raises(Exception, match=re.escape(message)) as error:
        score(source, output, model, "1", SETTINGS)

    assert "\n" not in str(error.value)
    assert [file.name for file in here.iterdir()] == ["new.csv"]


@pytest.mark.parametrize("output", ["scores.csv", "scores.parquet", "scores/"])
@pytest.mark.parametrize("source", ["new.csv", "many/", "many/*.parquet"])
def test_a_bucket_on_both_sides(source, output, bucket, rows, model):
    bucket = f"{bucket}/{source.replace('/', '-').replace('*', 'all')}-{output.strip('/')}"
    rows.write_csv(f"{bucket}/new.csv")
    for start in (0, 1_250):
        rows.slice(start, 1_250).write_parquet(f"{bucket}/many/{start:04}.parquet")

    def stop(done, total):
        if done > 1_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(f"{bucket}/{source}", f"{bucket}/{output}", model, "1", SETTINGS, report=stop)
    said = []
    score(f"{bucket}/{source}", f"{bucket}/{output}", model, "1", SETTINGS, say=said.append)

    assert said[0] == "going on after 800 of 2,500 rows"
    if output.endswith("csv"):
        Path(output).write_bytes(Folder(bucket).read(output))
        found = read(output)
    else:
        found = pl.read_parquet(f"{bucket}/{output}" + ("*.parquet" if output[-1] == "/" else ""))
    assert_frame_equal(found, expected(model, rows), check_exact=False)
    assert [name for name, *_ in Folder(bucket).objects() if ".parts" in name] == []

    rows.head(900).write_csv(f"{bucket}/new.csv")
    rows.head(900).write_parquet(f"{bucket}/many/0000.parquet")
    with pytest.raises(UserError, match="is there already, of files that have changed"):
        score(f"{bucket}/{source}", f"{bucket}/{output}", model, "1", SETTINGS)
