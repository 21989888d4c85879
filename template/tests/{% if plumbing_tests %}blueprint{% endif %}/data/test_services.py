"""Real servers, started here: the same rows from each make the same data set, byte for byte."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from blueprint.data import DataError, write_splits
from blueprint.data.settings import Data
from blueprint.data.sources import read, scan

PASSWORD = "hush: 50% @ /?"
ROWS = pl.DataFrame(
    {
        "age": [None if i % 7 == 1 else 20 + i % 50 for i in range(300)],
        "height": [1.5 + i / 7 for i in range(300)],
        "city": [None if i % 9 == 0 else f"Köln {i}" for i in range(300)],
        "member": [i % 5 < 3 for i in range(300)],
        "label": [("no", "yes", "maybe")[i % 3] for i in range(300)],
    }
)
TASK = "tabular-classification"
COLUMNS = {
    "age": {"min": 0, "nullable": True},
    "height": {},
    "city": {"nullable": True},
    "member": {"dtype": "bool"},
}
TABLE = sa.Table(
    "people",
    sa.MetaData(),
    sa.Column("age", sa.Integer),
    sa.Column("height", sa.Double),
    sa.Column("city", sa.String(40)),
    sa.Column("member", sa.Boolean),
    sa.Column("label", sa.String(10)),
)


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@contextmanager
def service(user):
    """A folder of `user`, if this is root: servers refuse that. Yields it, and a way to run there.

    Processes that are started in it are ended with it.
    """
    folder = Path(tempfile.mkdtemp())
    who = {"user": user, "group": user, "extra_groups": []} if os.geteuid() == 0 else {}
    if who:
        shutil.chown(folder, user, user)
    log = (folder / "log").open("w+")
    started = []

    def run(*command, wait=True):
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **who)
        started.append(process)
        if wait and process.wait():
            pytest.fail(f"{command[0]}: {(folder / 'log').read_text()[-1500:]}")

    try:
        yield folder, run
    finally:
        for process in started:
            process.terminate()
            process.wait()
        log.close()
        shutil.rmtree(folder)


def binary(name, package, folders=()):
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", *map(str, folders)])
    found = shutil.which(name, path=path)
    return found or pytest.skip(f"no {name}: apt-get install -y {package}")


def fill(url):
    """Wait for a database to answer, and write the rows into it."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    for wait in [0.1] * 200:
        try:
            with engine.begin() as connection:
                TABLE.create(connection)
                connection.execute(sa.insert(TABLE), ROWS.to_dicts())
                return url
        except sa.exc.OperationalError:
            time.sleep(wait)
    raise TimeoutError(f"no answer from {url.render_as_string()}")


@pytest.fixture(scope="session")
def postgresql():
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    initdb = binary("initdb", "postgresql", folders)
    port = free_port()
    with service("postgres") as (folder, run):
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        data = folder / "data"
        login = ("-A", "scram-sha-256", "-U", "me", "--pwfile", folder / "password")
        run(initdb, "-D", data, "-N", "-E", "UTF8", "--no-locale", *login)
        settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off")
        options = [part for setting in settings for part in ("-c", setting)]
        server = Path(initdb).with_name("postgres")
        run(server, "-D", data, "-p", str(port), *options, wait=False)
        yield fill(sa.URL.create("postgresql", "me", PASSWORD, "127.0.0.1", port, "postgres"))


@pytest.fixture(scope="session")
def mariadb():
    install = binary("mariadb-install-db", "mariadb-server")
    server = binary("mariadbd", "mariadb-server")
    port = free_port()
    with service("mysql") as (folder, run):
        start = folder / "start.sql"
        start.write_text(  # one statement a line
            "CREATE DATABASE shop CHARACTER SET utf8mb4;\n"
            f"CREATE USER me IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON shop.* TO me;\n"
        )
        start.chmod(0o644)
        data = f"--datadir={folder / 'data'}"
        run(install, "--no-defaults", data, "--skip-test-db")
        places = (f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}")
        address = (f"--port={port}", "--bind-address=127.0.0.1", "--skip-name-resolve")
        run(server, "--no-defaults", data, *places, *address, f"--init-file={start}", wait=False)
        yield fill(sa.URL.create("mysql+pymysql", "me", PASSWORD, "127.0.0.1", port, "shop"))


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory):
    return fill(sa.URL.create("sqlite", database=str(tmp_path_factory.mktemp("shop") / "shop.db")))


def server(name, request):
    """The URL of a database that is started for the tests; "adbc+postgresql" is read by ADBC."""
    adbc, _, fixture = name.rpartition("+")
    url = request.getfixturevalue(fixture)
    return url.set(drivername=f"adbc+{url.drivername}") if adbc else url


def split(data, folder):
    rows, _ = read(data)
    directories = {name: folder / name for name in ("train", "test")}
    return write_splits(
        rows,
        directories,
        {"test": 0.2},
        label="label",
        source=data.origin(),
        task=data.task,
        nullable=data.nullable(),
    )


def files(**options):
    """The configuration of a table in files."""
    return Data(task=TASK, source="files", files=options, columns=COLUMNS, extra_columns="drop")


def database(url, monkeypatch, **options):
    """The configuration of a database, its password given as users do."""
    if url.password:
        monkeypatch.setenv("MLOPS_DATA__SQL__PASSWORD", url.password)
    plain = url._replace(password=None).render_as_string()
    sql = {"url": plain, "table": "people", **options}
    return Data(task=TASK, source="sql", sql=sql, columns=COLUMNS)


@pytest.fixture(scope="session")
def expected(tmp_path_factory):
    """The hashes of the rows as they come from a Parquet file."""
    folder = tmp_path_factory.mktemp("expected")
    ROWS.write_parquet(folder / "rows.parquet")
    data = files(path=str(folder / "rows.parquet"))
    return hashes(split(data, folder))


def hashes(splits):
    return {name: split.schema.content_hash for name, split in splits.items()}


@pytest.mark.parametrize(
    "name", ["sqlite", "adbc+sqlite", "postgresql", "adbc+postgresql", "mariadb"]
)
def test_a_database_gives_the_data_set_of_its_rows(name, request, expected, tmp_path, monkeypatch):
    data = database(server(name, request), monkeypatch)

    splits = split(data, tmp_path)

    assert hashes(splits) == expected
    assert PASSWORD not in splits["train"].schema.source


@pytest.mark.parametrize("path", ["rows.csv", "rows.parquet", "many/", "many/*.csv", "years/"])
def test_a_bucket_gives_the_data_set_of_its_rows(path, bucket, expected, tmp_path):
    ROWS.write_csv(f"{bucket}/rows.csv")
    ROWS.write_parquet(f"{bucket}/rows.parquet")
    for start in (0, 150):
        ROWS.slice(start, 150).write_csv(f"{bucket}/many/{start:03}.csv")
        ROWS.slice(start, 150).write_parquet(f"{bucket}/years/year={start}/part.parquet")
    data = files(path=f"{bucket}/{path}", **({"format": "csv"} if path == "many/" else {}))

    assert hashes(split(data, tmp_path)) == expected


def test_csv_gives_the_data_set_of_its_rows(expected, tmp_path):
    ROWS.write_csv(tmp_path / "rows.csv")
    data = files(path=str(tmp_path / "rows.csv"))

    assert hashes(split(data, tmp_path)) == expected


def refuse(data, message, folder):
    with pytest.raises(DataError, match=message) as error:
        split(data, folder)
    text = str(error.value)
    assert "\n" not in text
    assert "hush" not in text
    assert not list(folder.iterdir())


@pytest.mark.parametrize("name", ["postgresql", "adbc+postgresql", "mariadb"])
def test_databases_that_refuse_are_told_in_one_line(name, request, tmp_path, monkeypatch):
    url = server(name, request)
    place = rf"^sql {re.escape(url.drivername)}://127.0.0.1:"

    unknown = database(url, monkeypatch, table="nobody")
    refuse(unknown, f"{place}.*nobody.*(not|n.t) exist", tmp_path)
    refuse(database(url, monkeypatch, table=None, query="SELEKT 1"), f"{place}.*SELEKT", tmp_path)
    wrong = database(url.set(password="hush, wrong"), monkeypatch)
    refuse(wrong, f"{place}.*([Aa]ccess denied|authentication failed)", tmp_path)
    refuse(database(url.set(port=free_port()), monkeypatch), f"{place}.*[Cc]onne", tmp_path)
    gone = database(url.set(host="no-such-host.invalid"), monkeypatch)
    refuse(gone, r"^sql .*//no-such-host.invalid:", tmp_path)


def test_postgresql_s_types_are_the_same_through_adbc(postgresql, monkeypatch):
    """Numbers of any precision are floats; a time is that of UTC, not of the session's zone."""
    query = """
        SELECT 1.10::numeric(5, 2) AS price, 0.1::real AS rate, '2024-05-01'::date AS day,
          '2024-05-01 12:00+02'::timestamptz AS time, 3::smallint AS count,
          'a53ab4c0-0000-4000-8000-000000000000'::uuid AS id, 'a:b'::char(4) AS code
        UNION ALL SELECT 'NaN', NULL, NULL, NULL, NULL, NULL, NULL
        UNION ALL SELECT 12345678901234567890.123, 1e30, NULL, NULL, NULL, NULL, NULL
    """
    url = postgresql.update_query_dict({"options": "-c timezone=Asia/Tokyo"})
    found = [
        scan("sql", url=place.render_as_string(hide_password=False), query=query).collect()
        for place in (url, url.set(drivername="adbc+postgresql"))
    ]

    assert_frame_equal(*found, check_exact=True)
    assert found[0]["price"].to_list()[::2] == [1.1, 12345678901234567890.123]
    assert found[0]["time"][0] == datetime(2024, 5, 1, 10)


@pytest.mark.parametrize("end", [";\n", " -- of all", "; \n\n", " LIMIT 1 -- ;\n"])
@pytest.mark.parametrize("name", ["postgresql", "adbc+postgresql", "adbc+sqlite"])
def test_a_query_may_end_as_queries_do(name, end, request):
    url = server(name, request).render_as_string(hide_password=False)

    assert scan("sql", url=url, query=f"SELECT 1 AS one{end}").collect().rows() == [(1,)]


@pytest.mark.parametrize("name", ["postgresql", "adbc+postgresql", "mariadb"])
def test_a_query_is_read_as_a_stream(name, request, monkeypatch):
    """The server hands over rows while they are read: the first ones come before an error."""
    url = server(name, request)
    queries = {
        "postgresql": "SELECT 1 / (150000 - i) AS x, repeat('a', 200) AS label "
        "FROM generate_series(1, 200000) i",
        "mariadb": "SELECT seq AS x, 'a' AS label FROM seq_1_to_200000",
    }
    data = database(url, monkeypatch, table=None, query=queries[name.rpartition("+")[2]])

    rows, _ = read(data.model_copy(update={"columns": {}}))

    assert rows.head(20_000).collect().height == 20_000
    if name != "mariadb":
        with pytest.raises(DataError, match="division by zero"):
            rows.collect()


def test_buckets_that_refuse_are_told_in_one_line(bucket, tmp_path, monkeypatch):
    refuse(
        files(path="s3://gone/rows.csv"),
        r"^files s3://gone/rows.csv: no such file, key or",
        tmp_path,
    )
    refuse(
        files(path="s3://gone/*.parquet"),
        r"^files s3://gone/\*.parquet: no such file, key",
        tmp_path,
    )
    refuse(
        files(path=f"{bucket}/gone.parquet"), r"^files s3://bucket/gone.parquet: no such", tmp_path
    )
    refuse(files(path=f"{bucket}/gone/*.csv"), r"^files .*\*.csv: no file or key matches", tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    refuse(
        files(path="s3://elsewhere/rows.csv"),
        r"^files s3://elsewhere.*Connection refused",
        tmp_path,
    )
