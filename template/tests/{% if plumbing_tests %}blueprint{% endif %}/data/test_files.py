"""CSV and Parquet files: every way to name them, and errors that name the file."""

import re
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from blueprint.data import DataError, loading, write_splits
from blueprint.data.settings import Data
from blueprint.data.sources import read, scan
from blueprint.data.sources.files import csv_faults

ROWS = pl.DataFrame({"x": [1, 2, 3, 4], "y": [0.5, 1.5, 2.5, 3.5], "label": list("abab")})


TASK = "tabular-classification"


def table(files, **options):
    """The configuration of a table in files."""
    return Data(task=TASK, source="files", files=files, **options)


def load(data):
    """What the step does with the source, into folders below here."""
    outputs = {
        name: SimpleNamespace(path=f"out/{name}", metadata={})
        for name in ("train", "validation", "test")
    }
    loading.load(lambda rows: rows, data.model_dump(mode="json"), outputs, print)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(path, **options):
    return scan("files", path=str(path), **options).collect()


def test_one_file_a_glob_and_a_folder_give_the_same_rows(here):
    (here / "data/sub").mkdir(parents=True)
    ROWS.head(2).write_csv("data/1.csv")
    ROWS.tail(2).write_csv("data/sub/2.csv")
    (here / "data/_SUCCESS").write_text("what Spark leaves")
    ROWS.write_parquet("all.parquet")

    assert rows("all.parquet").equals(ROWS)
    assert rows("data").equals(ROWS)
    assert rows("data/**/*.csv").equals(ROWS)
    assert rows("data/1.csv").equals(ROWS.head(2))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_folders_of_keys_are_columns(here, kind):
    for year in (2023, 2024):
        folder = here / f"data/year={year}"
        folder.mkdir(parents=True)
        getattr(ROWS, f"write_{kind}")(folder / f"part.{kind}")

    found = rows("data")

    assert found["year"].cast(pl.Int64).to_list() == [2023] * 4 + [2024] * 4
    assert found["x"].to_list() == [1, 2, 3, 4] * 2


def test_csv_options_and_declared_columns(here):
    (here / "data.txt").write_text("zip;x;label\n01234;NA;a\n04711;3;b\n")
    files = {"path": "data.txt", "separator": ";", "null_values": ["NA"]}
    columns = {"zip": {"dtype": "string"}, "x": {"dtype": "float32", "nullable": True}}

    checked, _ = read(table(files, columns=columns))

    assert checked.collect().rows() == [("01234", None, "a"), ("04711", 3.0, "b")]


def test_compressed_csv_and_a_name_that_tells_nothing(here):
    import gzip

    (here / "data.csv.gz").write_bytes(gzip.compress(ROWS.write_csv().encode()))
    ROWS.write_parquet(here / "data")

    assert rows("data.csv.gz").equals(ROWS)
    assert rows("data").equals(ROWS)
    assert rows("data", format="parquet").equals(ROWS)


def test_lists_of_one_size_become_images(here):
    images = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    pl.DataFrame({"image": images.tolist(), "label": ["a", "b"]}).with_columns(
        pl.col("image").cast(pl.List(pl.List(pl.UInt8)))
    ).write_parquet("images.parquet")

    found = rows("images.parquet")

    assert found.schema["image"] == pl.Array(pl.UInt8, (3, 4))
    np.testing.assert_array_equal(found["image"].to_numpy(), images)


def test_lists_of_other_sizes_are_refused(here):
    pl.DataFrame({"image": [[1, 2], [1, 2, 3]], "label": ["a", "b"]}).write_parquet("x.parquet")

    with pytest.raises(DataError, match=r"source files x.parquet: .*width"):
        load(Data(task="image-classification", source="files", files={"path": "x.parquet"}))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, r"files gone.csv: no such file or folder"),
        ("gone/*.csv", None, r"files gone/\*.csv: no such file or folder"),
        ("empty", "", r"files empty: no files in this folder"),
        ("nothing.csv", b"", r"files nothing.csv: .*empty CSV"),
        ("header.csv", b"x,label\n", r"source files header.csv: no rows"),
        ("broken.parquet", b"PAR1 and no more", r"files broken.parquet: .*"),
        ("cr.csv", b"x,label\r1,a\r", r"files cr.csv: its lines end in CR alone"),
    ],
)
def test_what_cannot_be_read_is_one_line(here, name, content, message):
    if content == "":
        (here / name).mkdir()
    elif content is not None:
        (here / name).write_bytes(content)

    with pytest.raises(DataError, match=f"^{message}") as error:
        load(table({"path": name}))

    assert "\n" not in str(error.value)


LONG = "x,label\n" + "1,a\n" * 12_000
CSV_FAULTS = {
    "column 'x': not int64, as the first rows are, in row 12,001 ('oops'); declare it, as "
    "data.columns.x: {dtype: string}, or add it to data.files.null_values": LONG + "oops,b\n",
    "data.columns.x: {dtype: float64}": LONG + "1.5,b\n",
    "row 2 has 3 values for the 2 columns of the header": "x,label\n1,a\n2,b,c\n",
    "row 1 has 3 values for the 2 columns": "x,label\n1,a,\n2,b,\n",
    "column 'label' in row 12,001 is not UTF-8 (b'\\xe4')": (LONG + "1,ä\n").encode("latin-1"),
    "the header is not UTF-8": "größe,label\n1,ä\n".encode("latin-1"),
    "is UTF-16": "x,label\n1,ä\n".encode("utf-16"),
    'a quote (") in row 12,001 does not end': LONG + '1,"a\n3,b\n',
    "row 1 has a single quote (\") in 'a\"b'": 'x,label\n1,a"b\n2,b\n',
}


@pytest.mark.parametrize(("fault", "content"), CSV_FAULTS.items())
@pytest.mark.parametrize("path", ["two.csv", "*.csv"])
def test_a_fault_in_csv_names_file_and_row_and_no_option_of_polars(here, fault, content, path):
    if path == "*.csv":
        (here / "one.csv").write_text(
            "größe,label\n1,a\n" if "größe" in fault else "x,label\n1,a\n"
        )
    (here / "two.csv").write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(DataError) as error:
        load(table({"path": path}))

    text = str(error.value)
    assert "two.csv" in text
    if path == "two.csv" or "header" not in fault:
        assert fault in text
    assert "\n" not in text
    assert not re.search("infer_schema_length|ignore_errors|truncate_ragged_lines", text)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_bad_value_in_one_of_several_files_is_found_there(here, kind):
    for name, number in (("1", 2), ("2", -4)):
        rows = ROWS.with_columns(x=pl.Series([1, 2, number, 4]))
        getattr(rows, f"write_{kind}")(f"{name}.{kind}")

    fault = rf"'x': below 0 in row 7 \(-4\) \(the first is row 3 of 2.{kind}\)$"
    with pytest.raises(DataError, match=fault):
        read(table({"path": f"*.{kind}"}, columns={"x": {"min": 0}, "y": {}}))[0].collect()


def test_advice_of_polars_is_left_out_where_the_row_is_not_found(here, monkeypatch):
    monkeypatch.setattr(csv_faults, "find_fault", lambda *_: None)
    for content in ("x,label\n1,a\n2,b,c\n", LONG + "oops,a\n"):
        (here / "data.csv").write_text(content)
        with pytest.raises(DataError) as error:
            load(table({"path": "data.csv"}))
        assert not re.search("try|setting|schema_length|ignore|ragged", str(error.value))


def test_files_of_other_columns_are_named(here):
    (here / "1.csv").write_text("x,label\n1,a\n")
    (here / "2.csv").write_text("y,label\n1,a\n")

    with pytest.raises(DataError, match=r"2.csv: its columns are y, label, but those of 1.csv are"):
        load(table({"path": "*.csv"}))


@pytest.mark.parametrize(
    "content",
    ["x,label\n1,a\n\n2,b\n\n\n", "x,label\r\n1,a\r\n2,b\r\n", "\ufeffx,label\n1,a\n2,b"],
)
def test_blank_lines_line_ends_and_a_byte_order_mark_do_no_harm(here, content):
    (here / "data.csv").write_bytes(content.encode())

    assert read(table({"path": "data.csv"}))[0].collect().rows() == [(1, "a"), (2, "b")]


def test_the_wrong_separator_is_guessed_where_a_column_is_missing(here):
    (here / "data.csv").write_text("x;label\n1;a\n")
    rows, _ = read(table({"path": "data.csv"}))

    with pytest.raises(DataError, match=r"columns are x;label \(data.files.separator says"):
        write_splits(rows, {"train": here / "t"}, {}, label="label", source="here", task=TASK)


def test_bad_rows_leave_no_data_set(here):
    (here / "data.csv").write_text("x,label\n" + "1,a\n2,b\n" * 50_000 + "-1,a\n")

    with pytest.raises(DataError, match=r"source files data.csv: .*row 100,001 \(-1\)"):
        load(table({"path": "data.csv"}, columns={"x": {"min": 0}}))

    assert not [path for path in here.rglob("*") if path.name != "data.csv" and path.is_file()]


def test_files_need_a_path():
    with pytest.raises(ValueError, match=r"source: files needs data.files.path"):
        Data(task=TASK, source="files")
