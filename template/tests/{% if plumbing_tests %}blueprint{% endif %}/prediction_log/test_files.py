"""Where the log lies: whole files or none, in a folder and in a real bucket."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from blueprint import settings
from blueprint.errors import UserError
from blueprint.monitoring.prediction_log.commands import checks
from blueprint.monitoring.prediction_log.files import LogFolder
from blueprint.monitoring.prediction_log.settings import PredictionLog

MB = 2**20
TODAY = datetime.now(UTC)


def on(days_ago):
    return f"date={TODAY - timedelta(days=days_ago):%Y-%m-%d}"


def names(folder):
    return [file.name for file in folder.files()]


@pytest.fixture(params=["folder", "bucket"])
def folder(request, tmp_path):
    if request.param == "folder":
        return LogFolder(str(tmp_path / "log"), "people")
    bucket = request.getfixturevalue("bucket")
    return LogFolder(f"{bucket}/{tmp_path.name}", "people")


def test_a_file_says_when_it_was_written_and_how_many_rows_it_has(folder):
    before = datetime.now(UTC)
    folder.add(on(0), b"content", 12)

    (file,) = folder.files()
    assert file.rows == 12
    assert file.size == len(b"content")
    assert file.day == TODAY.date()
    assert before <= file.written <= datetime.now(UTC)
    assert folder.read(file.name) == b"content"


def test_files_of_other_days_are_left_out(folder):
    written = [folder.add(on(days), b"x", 1) for days in (3, 2, 1)]

    assert names(folder) == written
    day = timedelta(days=1)
    # They were all written now, whatever day their rows are of.
    assert [f.name for f in folder.files(TODAY - 2 * day, TODAY - 2 * day)] == [written[1]]
    assert [f.name for f in folder.files(TODAY - 2 * day)] == written[1:]
    assert [f.name for f in folder.files(None, TODAY - 3 * day)] == written[:1]


def test_files_that_were_written_before_a_time_are_left_out(folder):
    folder.add(on(0), b"x", 1)
    later = datetime.now(UTC)

    assert folder.files(later) == []


def test_what_is_too_old_is_deleted(folder):
    old, new = folder.add(on(4), b"x", 1), folder.add(on(2), b"x", 1)
    folder.add("labels", b"x", 1)

    assert folder.sweep(3, MB).old == 1
    assert old != new
    assert names(folder) == [new]
    assert len(folder.labels()) == 1


def test_the_oldest_go_when_the_folder_is_too_large(tmp_path):
    folder = LogFolder(str(tmp_path), "people")
    written = [folder.add(on(days), b"x" * MB, 10) for days in (3, 2, 1, 0)]

    swept = folder.sweep(30, 2.5 * MB)

    assert (swept.beyond, swept.rows) == (2, 20)
    assert names(folder) == written[2:]


def test_a_file_that_was_not_finished_is_not_read_and_removed_in_time(tmp_path):
    folder = LogFolder(str(tmp_path), "people")
    whole = folder.add(on(0), b"x", 1)
    left = Path(f"{folder.uri(whole)}#1")
    left.write_bytes(b"hal")

    assert names(folder) == [whole]
    folder.sweep(30, MB)
    assert left.exists()  # somebody may be writing it
    hours_ago = time.time() - 7200
    os.utime(left, (hours_ago, hours_ago))
    folder.sweep(30, MB)
    assert not left.exists()


def test_a_file_appears_when_all_of_it_is_on_the_disk(tmp_path, monkeypatch):
    folder = LogFolder(str(tmp_path), "people")
    seen, sync = [], os.fsync

    def fsync(file):
        seen.append((len(names(folder)), os.fstat(file).st_size))
        sync(file)

    monkeypatch.setattr(os, "fsync", fsync)
    folder.add(on(0), b"content", 1)

    assert seen[0] == (0, len(b"content"))  # the file, which nobody reads yet
    assert seen[1][0] == 1  # its folder


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    folder = LogFolder(str(tmp_path / "file"), "people")

    with pytest.raises(UserError, match="file/people/probe-") as caught:
        folder.probe()
    assert "\n" not in str(caught.value)


def test_a_bucket_that_is_not_there_is_one_line(bucket):
    with pytest.raises(UserError, match="s3://gone/people/probe-") as caught:
        LogFolder("s3://gone", "people").probe()
    assert "\n" not in str(caught.value)


def test_what_was_tried_leaves_nothing(folder):
    folder.probe()

    assert folder.objects() == []


def test_the_doctor_calls_no_folder_of_the_project_right_for_pods(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    people = SimpleNamespace(name="people")
    loaded = SimpleNamespace(prediction_log=PredictionLog(), registry=people)
    monkeypatch.setattr(settings, "load", lambda: loaded)
    [(_, check, _)] = checks()
    assert check() == "100% of the requests, in .mlops/predictions/people"

    loaded.deploy = SimpleNamespace()

    with pytest.raises(UserError, match=r"name a bucket .*pods have no \.mlops/predictions"):
        check()
    loaded.prediction_log = PredictionLog(path=str(tmp_path))  # a volume's, which both have
    assert check().endswith("people")
