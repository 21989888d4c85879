"""What pipelines tell Prometheus: pushed by their steps to a real Pushgateway, or scraped."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kfp import dsl
from kfp.dsl.pipeline_context import Pipeline
from prometheus_client.parser import text_string_to_metric_families

from blueprint.export.record import Training
from blueprint.monitoring.pipelines import exposed, families, tasks
from blueprint.monitoring.pipelines.settings import Metrics
from blueprint.registry.client import Version

STEP = """
import sys
from blueprint.progress import step
with step(sys.argv[1]) as say:
    say("at work")
    if sys.argv[2:]:
        raise ValueError("on purpose")
"""
LOG = """
    [load_data] started
    [load_data] says: 368 rows
    [load_data] finished: in 12.5 s
[load_data] finished
    [train_model] started
    [train_model] finished: in 3.0 s
    [evaluate_model] started
    [evaluate_model] finished: in 1.0 s
    [register_model] started
    [register_model] finished: in 0.5 s
"""


def version(number: str, verdict: str, **more: Any) -> Version:
    tags = {"verdict": verdict, "data.train_hash": "ab12", "data.test_rows": "120", **more}
    metrics = {"accuracy": 0.9, "gate/accuracy/gain": 0.1, "curve/val_loss": 1.0}
    return Version(number, "run", (), datetime(2026, 11, 27), tags, metrics)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Pushgateway."""
    program = shutil.which("prometheus-pushgateway") or shutil.which("pushgateway")
    if program is None:
        pytest.skip("no Pushgateway here: `apt-get install prometheus-pushgateway`")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    # Debian's keeps what any was ever pushed, where no other file is named.
    command = [program, f"--web.listen-address={address}", "--persistence.file="]
    with (tmp_path_factory.mktemp("gateway") / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://{address}/-/ready")
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(10)


def scraped(text: str) -> dict[str, float]:
    """Pipelines' samples: `name{label=value,…}` → value, without the labels of a Pushgateway."""
    return {
        sample.name
        + "{"
        + ",".join(
            f"{k}={v}" for k, v in sorted(sample.labels.items()) if k not in ("job", "instance")
        )
        + "}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("pipeline_")
    }


def pushed(gateway: str) -> dict[str, float]:
    return scraped(urllib.request.urlopen(f"{gateway}/metrics").read().decode())


def run_step(told: tasks.Told | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    given = {tasks.VARIABLE: told.model_dump_json()} if told else {}
    return subprocess.run(
        [sys.executable, "-c", STEP, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **given},
        timeout=120,
        check=False,
    )


def test_each_step_tells_its_time_and_the_last_one_that_the_run_is_well(gateway: str) -> None:
    told = tasks.Told(pipeline="p1", pushgateway=gateway, end=False, schedule_seconds=3600)
    begin = time.time()
    assert run_step(told, "load_data").returncode == 0
    found = pushed(gateway)
    assert found["pipeline_last_run_timestamp_seconds{pipeline=p1}"] >= begin
    assert found["pipeline_schedule_seconds{pipeline=p1}"] == 3600
    assert "pipeline_last_success_timestamp_seconds{pipeline=p1}" not in found
    assert run_step(told.model_copy(update={"end": True}), "deploy_model").returncode == 0
    found = pushed(gateway)
    assert found["pipeline_last_success_timestamp_seconds{pipeline=p1}"] >= begin
    for step in ("load_data", "deploy_model"):
        assert 0 <= found[f"pipeline_step_seconds{{pipeline=p1,step={step}}}"] < 60


def test_a_step_that_fails_is_a_run_and_no_success(gateway: str) -> None:
    told = tasks.Told(pipeline="p2", pushgateway=gateway, end=True)
    done = run_step(told, "deploy_model", "fail")
    assert done.returncode == 1
    assert "[deploy_model] failed: ValueError: on purpose" in done.stdout
    found = pushed(gateway)
    assert "pipeline_last_run_timestamp_seconds{pipeline=p2}" in found
    assert "pipeline_last_success_timestamp_seconds{pipeline=p2}" not in found


def test_no_run_fails_for_a_gateway_that_is_not_there() -> None:
    told = tasks.Told(pipeline="p3", pushgateway="http://127.0.0.1:9", end=True)
    done = run_step(told, "load_data")
    assert done.returncode == 0
    [line] = [line for line in done.stdout.splitlines() if "not pushed" in line]
    assert line.startswith("[load_data] says: metrics were not pushed: ")
    assert "finished" in done.stdout.splitlines()[-1]


def test_without_a_gateway_nothing_is_said() -> None:
    assert "pushed" not in run_step(None, "load_data").stdout


def test_the_last_task_of_a_graph_is_its_end() -> None:
    @dsl.component
    def load_data() -> str:
        return ""

    @dsl.component
    def register_model(data: str) -> str:
        return data

    @dsl.component
    def deploy_model(version: str) -> None: ...

    settings: Any = SimpleNamespace(
        metrics=Metrics(pushgateway="http://gateway:9091", schedule_hours={"training": 24}),
        registry=SimpleNamespace(name="wine"),
    )

    @dsl.pipeline(name="wine")
    def graph() -> None:
        registered = register_model(data=load_data().output)
        with dsl.If(registered.output != "none"):
            deploy_model(version=registered.output)
        tasks.apply(settings, "wine", Pipeline.get_default_pipeline().tasks)

    executors = graph.pipeline_spec.deployment_spec["executors"]
    told = {
        name.removeprefix("exec-"): tasks.Told.model_validate_json(
            executors[name]["container"]["env"][0]["value"]
        )
        for name in executors
    }
    assert {name: each.end for name, each in told.items()} == {
        "load-data": False,
        "register-model": False,
        "deploy-model": True,
    }
    assert told["load-data"].schedule_seconds == 24 * 3600


def test_a_verdict_counts_rejections_in_a_row(tmp_path: Path) -> None:
    training = Training({}, {}, {"source": "sample", "hash": "ab12", "rows": "368"}, "3.12")
    training.write(tmp_path)
    versions = [version("3", "rejected"), version("2", "rejected"), version("1", "accepted")]
    given = {"accepted": False, "metrics": {"accuracy": 0.8, "roc_auc": None}, "facts": {}}
    found = families.verdict(versions, given, tmp_path)
    assert (found.accepted, found.promoted, found.rejections) == (False, False, 2)
    assert (found.metrics, found.rows) == ({"accuracy": 0.8}, {"train": 368})
    run = families.Run(1.0, None, None, found)
    names = {family.name for family in families.of_run(run)}
    assert "pipeline_gate_rejections" in names
    assert "pipeline_last_success_timestamp_seconds" not in names


def test_a_champion_that_moved_meanwhile_is_a_rejection(tmp_path: Path) -> None:
    Training({}, {}, {"hash": "ab12"}, "3.12").write(tmp_path)
    given = {"accepted": True, "metrics": {}, "facts": {}}
    found = families.verdict([version("2", "rejected"), version("1", "accepted")], given, tmp_path)
    assert (found.accepted, found.promoted, found.rejections) == (True, False, 1)


@pytest.mark.parametrize(
    ("more", "well"),
    [
        ("", True),
        ("    [deploy_model] started\n", False),
        ("    [deploy_model] failed: no\n", False),
    ],
)
def test_a_log_says_how_a_run_ended(more: str, well: bool, tmp_path: Path) -> None:
    (tmp_path / "1.log").write_text(LOG + more)
    (tmp_path / "2.log").write_text("    [monitor_model] started\n")
    [log] = exposed.read_logs(tmp_path)
    assert log.well is well
    assert log.steps["load_data"] == 12.5


def test_the_registry_alone_says_what_became_of_the_last_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = exposed.known([version("2", "rejected"), version("1", "accepted")])
    assert (found.accepted, found.rejections, found.metrics) == (False, 1, {"accuracy": 0.9})
    assert (found.rows, found.data_sha256) == ({"test": 120}, "ab12")


@pytest.mark.parametrize("url", ["localhost:9091", "http://", "ftp://x"])
def test_a_gateway_is_a_url(url: str) -> None:
    with pytest.raises(ValueError, match="expected a URL, such as"):
        Metrics(pushgateway=url)


def test_what_a_step_is_told_is_json() -> None:
    told = tasks.Told(pipeline="p", pushgateway="http://g:1", end=True)
    assert json.loads(told.model_dump_json())["schedule_seconds"] is None
