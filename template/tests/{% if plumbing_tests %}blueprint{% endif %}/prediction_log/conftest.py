"""A log of predictions in a folder of the test's own."""

from datetime import UTC, datetime

import pytest
from prediction_log.logged import Counts

from blueprint.monitoring.prediction_log.files import LogFolder
from blueprint.monitoring.prediction_log.settings import PredictionLog
from blueprint.monitoring.prediction_log.table import encode, groups
from blueprint.monitoring.prediction_log.writer import Writer


@pytest.fixture
def section(tmp_path):
    return PredictionLog(path=str(tmp_path / "log"), flush_seconds=0.05)


@pytest.fixture
def counts():
    return Counts()


@pytest.fixture
def open_writer(section, counts):
    """Make a writer of the section with some of its keys changed; they are stopped at the end."""
    writers = []

    def make(key=b"", **changes):
        changed = section.model_copy(update=changes)
        writers.append(Writer(LogFolder(changed.path, "people"), changed, key, counts))
        return writers[-1]

    yield make
    for writer in writers:
        writer.stop(0.1)


@pytest.fixture
def keep(section):
    """Put requests into the log at once."""

    def write(*entries, key=b"", **changes):
        changed = section.model_copy(update=changes)
        folder = LogFolder(changed.path, "people")
        for group in groups(entries):
            day = f"date={datetime.fromtimestamp(group[0].time, UTC):%Y-%m-%d}"
            rows = sum(each.rows for each in group)
            folder.add(day, encode(group, changed, key), rows)

    return write
