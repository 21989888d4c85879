"""A real object store, started here: the same rows make the same data set, byte for byte."""

import socket

import pytest

from blueprint.data.settings import Data


@pytest.fixture
def files(columns):
    """The configuration of a table in files."""
    options = {"task": "tabular-classification", "columns": columns, "extra_columns": "drop"}
    return lambda **given: Data(source="files", files=given, **options)


@pytest.mark.parametrize("path", ["rows.csv", "rows.parquet", "many/", "many/*.csv", "years/"])
def test_a_bucket_gives_the_data_set_of_its_rows(path, bucket, expected, people, files, hashes):
    people.write_csv(f"{bucket}/rows.csv")
    people.write_parquet(f"{bucket}/rows.parquet")
    for start in (0, 150):
        people.slice(start, 150).write_csv(f"{bucket}/many/{start:03}.csv")
        people.slice(start, 150).write_parquet(f"{bucket}/years/year={start}/part.parquet")
    data = files(path=f"{bucket}/{path}", **({"format": "csv"} if path == "many/" else {}))

    assert hashes(data) == expected
    version = data.version()
    assert version == data.version()
    people.head(9).write_csv(f"{bucket}/rows.csv")
    people.head(9).write_csv(f"{bucket}/many/000.csv")
    people.head(9).write_parquet(f"{bucket}/rows.parquet")
    people.head(9).write_parquet(f"{bucket}/years/year=0/part.parquet")
    assert version != data.version()


def test_csv_gives_the_data_set_of_its_rows(expected, people, files, hashes, tmp_path):
    people.write_csv(tmp_path / "rows.csv")

    assert hashes(files(path=str(tmp_path / "rows.csv"))) == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("s3://gone/rows.csv", r"^files s3://gone/rows.csv: no such file, key or"),
        ("s3://gone/*.parquet", r"^files s3://gone/\*.parquet: no such file, key"),
        ("s3://bucket/gone.parquet", r"^files s3://bucket/gone.parquet: no such"),
        ("s3://bucket/gone/*.csv", r"^files .*\*.csv: no file or key matches"),
    ],
)
def test_a_bucket_that_has_no_such_file_is_told_in_one_line(path, message, bucket, files, reject):
    reject(files(path=path), message)


def test_a_bucket_that_does_not_answer_is_told_in_one_line(bucket, files, reject, monkeypatch):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")

    reject(files(path="s3://elsewhere/rows.csv"), r"^files s3://elsewhere.*Connection refused")
