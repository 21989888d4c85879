"""The writer's buffer and thread: nothing is lost in silence, and nobody waits."""

import socket
import time
from pathlib import Path

import polars as pl
import pytest
from prediction_log.logged import entry

from blueprint.monitoring.prediction_log import writer as writing
from blueprint.monitoring.prediction_log.files import LogFolder

SIZE = 1000  # bytes that a request is said to hold
KB = 2**-10  # MB
LONG = 1000.0  # seconds


def logged(section):
    files = sorted(Path(section.path).glob("people/date=*/*.parquet"))
    return pl.concat([pl.read_parquet(file) for file in files]) if files else pl.DataFrame()


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_requests_are_written_after_seconds(open_writer, section, counts):
    writer = open_writer()
    for number in range(3):
        writer.put(entry(f"r{number}"), SIZE)

    wait_for(lambda: counts.written == 3)
    assert set(logged(section)["request_id"]) == {"r0", "r1", "r2"}
    assert not counts.drops


def test_requests_are_written_when_there_are_enough(open_writer, section, counts):
    writer = open_writer(flush_seconds=LONG, flush_rows=10)
    for number in range(12):
        writer.put(entry(f"r{number}"), SIZE)

    wait_for(lambda: counts.written >= 10)


def test_a_file_has_no_more_rows_than_wished(open_writer, section, counts):
    writer = open_writer(flush_seconds=LONG)
    writer._flush_rows = 10  # after the thread began to wait: all are there before it wakes
    for number in range(25):
        writer.put(entry(f"r{number}"), SIZE)

    wait_for(lambda: counts.written == 25 or counts.written >= 10)
    writer.stop()
    assert counts.written == 25
    files = LogFolder(section.path, "people").files()
    assert max(file.rows for file in files) <= 10


def test_what_is_left_is_written_at_the_end(open_writer, section, counts):
    writer = open_writer(flush_seconds=LONG)
    for number in range(7):
        writer.put(entry(f"r{number}"), SIZE)
    writer.stop()

    assert counts.written == len(logged(section)) == 7


def test_a_full_buffer_drops_what_comes_and_counts_it(open_writer, counts):
    writer = open_writer(flush_seconds=LONG, buffer_mb=10 * KB)
    for number in range(25):
        writer.put(entry(f"r{number}", rows=2), SIZE)
    writer.stop()

    assert counts.written == 20
    assert counts.drops == {writing.OVERLOAD: 30}


def test_memory_is_free_again_when_it_is_written(open_writer, counts):
    writer = open_writer(buffer_mb=10 * KB)
    for number in range(30):
        writer.put(entry(f"r{number}"), SIZE)
        wait_for(lambda number=number: counts.written == number + 1)

    assert not counts.drops
    wait_for(lambda: writer._size == 0)


def test_a_folder_that_works_again_gets_what_waited(
    open_writer, section, counts, monkeypatch, caplog
):
    monkeypatch.setattr(writing, "FIRST_PAUSE", 0.1)
    blocked = Path(section.path)
    blocked.write_text("a file is no folder")
    writer = open_writer(buffer_mb=5 * KB)
    for number in range(8):
        writer.put(entry(f"r{number}"), SIZE)
    wait_for(lambda: writer._failing)
    writer.put(entry("late"), SIZE)
    assert counts.drops[writing.OVERLOAD] + counts.drops[writing.STORAGE] == 4
    assert counts.drops[writing.STORAGE] >= 1
    blocked.unlink()

    wait_for(lambda: counts.written == 5)
    assert logged(section)["request_id"].to_list() == [f"r{number}" for number in range(5)]
    assert len([r for r in caplog.records if "not logged, tried again" in r.message]) == 1


def test_a_bucket_that_does_not_answer_holds_nobody_up(open_writer, counts, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for name, value in {
            "ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "ACCESS_KEY_ID": "me",
            "SECRET_ACCESS_KEY": "hush",
            "REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        writer = open_writer(path="s3://bucket", buffer_mb=10 * KB)
        slowest, end = 0.0, time.monotonic() + 2
        while time.monotonic() < end:
            begin = time.perf_counter()
            writer.put(entry(), SIZE)
            slowest = max(slowest, time.perf_counter() - begin)
            time.sleep(0.001)
        begin = time.monotonic()
        writer.stop(0.5)

        assert slowest < 0.5  # a request to the bucket takes 10 s before it is given up
        assert time.monotonic() - begin < 2
        assert counts.written == 0
        assert sum(counts.drops.values()) > 100
        assert counts.drops[writing.END] == 10  # as many as the buffer holds


def test_a_request_that_cannot_be_written_does_not_end_the_log(
    open_writer, section, counts, caplog
):
    writer = open_writer()
    writer.put(entry("bad", version="0")._replace(inputs={"age": "no array"}), SIZE)
    wait_for(lambda: counts.drops[writing.FAULT] == 1)
    writer.put(entry("good"), SIZE)
    wait_for(lambda: counts.written == 1)

    assert logged(section)["request_id"].to_list() == ["good"]
    assert "could not be logged" in caplog.text


@pytest.mark.parametrize("most", [1.0, 0.02])
def test_the_folder_has_a_size(most, open_writer, section, counts):
    writer = open_writer(max_mb=most)
    for number in range(20):
        writer.put(entry(f"r{number}", rows=100), SIZE)
        wait_for(lambda number=number: counts.written == 100 * (number + 1))
    writer.stop()

    size = sum(file.size for file in LogFolder(section.path, "people").files()) / 2**20
    assert size < most * 1.5
    assert bool(counts.drops[writing.MAX_MB]) == (most < 1)
    assert counts.drops[writing.MAX_MB] + len(logged(section)) == 2000
    assert "r19" in set(logged(section)["request_id"])
