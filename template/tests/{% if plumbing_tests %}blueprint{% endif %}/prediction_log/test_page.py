"""What docs/prediction-log.md shows works as it is written there, and so does `make labels`."""

import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest
import yaml
from prediction_log.logged import entry

from blueprint import settings
from blueprint.monitoring.prediction_log.files import LogFolder
from blueprint.monitoring.prediction_log.reading import scan
from blueprint.monitoring.prediction_log.settings import PredictionLog
from blueprint.monitoring.prediction_log.table import encode

PAGE = (Path(__file__).parents[3] / "docs" / "prediction-log.md").read_text()
NOW = time.time()
TODAY = f"{datetime.fromtimestamp(NOW, UTC):%Y-%m-%d}"


def block(language):
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)
    return found


@pytest.fixture
def log(folder):
    """Three requests in the log of a project, which is the working directory."""
    loaded = settings.load()
    section, name = loaded.prediction_log, loaded.registry.name
    requests = [entry(f"r{number}", at=NOW) for number in range(3)]
    LogFolder(section.path, name).add(f"date={TODAY}", encode(requests, section, b""), 3)
    return section, name


def test_the_configuration_is_one():
    PredictionLog(**yaml.safe_load(block("yaml"))["prediction_log"])


def test_the_python_reads_the_log(log, capsys):
    exec(block("python"), {})

    assert "no" in capsys.readouterr().out


def test_the_sql_reads_the_log(log):
    ((date, version, prediction, number),) = duckdb.sql(block("sql")).fetchall()

    assert (str(date), version, prediction, number) == (TODAY, "1", "no", 3)


def test_the_command_adds_labels(log):
    unknown = uuid4().hex  # as long as the ids that a server gives
    Path("labels.csv").write_text(f"request_id,label\nr1,yes\n{unknown},no\n")
    command = [sys.executable, "-m", "blueprint.cli", "labels", "labels.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == [
        "labels.csv: 2 labels, 1 kept",
        "        1  unknown",
        f"           {unknown}",
        "        1  new",
        "           r1",
    ]
    labels = scan(*log).collect().sort("request_id")["label"].to_list()
    assert labels == [None, "yes", None]


def test_the_key_is_in_no_file(folder, monkeypatch):
    text = Path("config/local.yaml").read_text()
    Path("config/local.yaml").write_text(f"{text}\nprediction_log: {{key: hush}}\n")
    with pytest.raises(settings.SettingsError, match="environment: MLOPS_PREDICTION_LOG__KEY"):
        settings.load()
    Path("config/local.yaml").write_text(text)
    monkeypatch.setenv("MLOPS_PREDICTION_LOG__KEY", "hush")
    assert "hush" not in repr(settings.load())
