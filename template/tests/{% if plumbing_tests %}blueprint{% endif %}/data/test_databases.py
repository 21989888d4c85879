"""Real databases, started here: the same rows from each make the same data set, byte for byte."""

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

import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from blueprint.data import DataError
from blueprint.data.frames import lazy
from blueprint.data.settings import Data
from blueprint.data.sources import scan
from blueprint.data.sources.sql import reader

PASSWORD = "hush: 50% @ /?"
TASK = "tabular-classification"
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


def fill(url, rows):
    """Wait for a database to answer, and write the rows into it."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    for wait in [0.1] * 200:
        try:
            with engine.begin() as connection:
                TABLE.create(connection)
                connection.execute(sa.insert(TABLE), rows.to_dicts())
                return url
        except sa.exc.OperationalError:
            time.sleep(wait)
    raise TimeoutError(f"no answer from {url.render_as_string()}")


@pytest.fixture(scope="session")
def postgresql(people):
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
        yield fill(
            sa.URL.create("postgresql", "me", PASSWORD, "127.0.0.1", port, "postgres"), people
        )


@pytest.fixture(scope="session")
def mariadb(people):
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
        yield fill(
            sa.URL.create("mysql+pymysql", "me", PASSWORD, "127.0.0.1", port, "shop"), people
        )


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory, people):
    return fill(
        sa.URL.create("sqlite", database=str(tmp_path_factory.mktemp("shop") / "shop.db")), people
    )


def server(name, request):
    """The URL of a database that is started for the tests; "adbc+postgresql" is read by ADBC."""
    adbc, _, fixture = name.rpartition("+")
    url = request.getfixturevalue(fixture)
    return url.set(drivername=f"adbc+{url.drivername}") if adbc else url


def database(url, monkeypatch, columns, **options):
    """The configuration of a database, its password given as users do."""
    if url.password:
        monkeypatch.setenv("MLOPS_DATA__SQL__PASSWORD", url.password)
    plain = url._replace(password=None).render_as_string()
    sql = {"url": plain, "table": "people", **options}
    return Data(task=TASK, source="sql", sql=sql, columns=columns)


@pytest.mark.parametrize(
    "name", ["sqlite", "adbc+sqlite", "postgresql", "adbc+postgresql", "mariadb"]
)
def test_a_database_gives_the_data_set_of_its_rows(
    name, request, expected, hashes, columns, monkeypatch
):
    data = database(server(name, request), monkeypatch, columns)

    assert hashes(data) == expected
    assert PASSWORD not in data.origin()


@pytest.mark.parametrize("name", ["postgresql", "adbc+postgresql", "mariadb"])
def test_databases_that_refuse_are_told_in_one_line(name, request, monkeypatch, columns, reject):
    url = server(name, request)
    place = rf"^sql {re.escape(url.drivername)}://127.0.0.1:"

    def refused(message, url=url, **options):
        reject(database(url, monkeypatch, columns, **options), message)

    refused(f"{place}.*nobody.*(not|n.t) exist", table="nobody")
    refused(f"{place}.*SELEKT", table=None, query="SELEKT 1")
    wrong = url.set(password="hush, wrong")
    refused(f"{place}.*([Aa]ccess denied|authentication failed)", wrong)
    refused(f"{place}.*[Cc]onne", url.set(port=free_port()))
    refused(r"^sql .*//no-such-host.invalid:", url.set(host="no-such-host.invalid"))


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
    query = {
        "postgresql": "SELECT 1 / (150000 - i) AS x, repeat('a', 200) AS label "
        "FROM generate_series(1, 200000) i",
        "mariadb": "SELECT seq AS x, 'a' AS label FROM seq_1_to_200000",
    }[name.rpartition("+")[2]]
    plain = url.render_as_string(hide_password=False)
    sizes = []

    def count(read, schema):
        batches = ([sizes.append(len(batch)), batch][1] for batch in read())
        return lazy(lambda: batches, schema)

    monkeypatch.setattr(reader, "lazy", count)
    if name == "mariadb":
        assert scan("sql", url=plain, query=query).collect().height == 200_000
    else:
        with pytest.raises(DataError, match="division by zero"):
            scan("sql", url=plain, query=query)

    assert sum(sizes) >= 20_000
    assert max(sizes) <= reader.BATCH_ROWS
