"""What the registry knows of trainings: claimed by one, ended by their versions, kept by a kill."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from blueprint.monitoring.retraining import history
from blueprint.monitoring.retraining.decision import Attempt, Drift, decide
from blueprint.monitoring.retraining.settings import Retraining

RULES = Retraining(enabled=True)

# Begin a training at the moment that a file says go, and hold it.
BEGIN = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from blueprint.monitoring.retraining import history
from blueprint.monitoring.retraining.decision import Attempt, Drift, decide
from blueprint.monitoring.retraining.settings import Retraining
from blueprint.registry.client import Registry

uri, name, folder, run = sys.argv[1:]
registry, folder = Registry(uri, name), Path(folder)
now, rules = datetime.now(UTC), Retraining(enabled=True)
attempt = Attempt(run=run, started=now, version="1", share=0.5, rows=300)
(folder / f"ready-{run}").touch()
while not (folder / "go").exists():
    time.sleep(0.001)
drift = Drift(True, 0.5, 300)
decision = history.begin(registry, attempt, lambda others: decide(drift, others, rules, now))
print("trains" if decision.train else "waits", flush=True)
"""


def begin(registry, run, hours=0.0):
    """Ask for a training that begins so many hours ago."""
    now = datetime.now(UTC) - timedelta(hours=hours)
    attempt = Attempt(run=run, started=now, version="1", share=0.5, rows=300)
    drift = Drift(True, 0.5, 300)
    return history.begin(registry, attempt, lambda others: decide(drift, others, RULES, now))


def test_a_training_is_claimed_and_the_next_one_waits(registry):
    assert begin(registry, "a").train

    second = begin(registry, "b")

    assert (second.train, second.reason[:24]) == (False, "a has been training since"[:24])
    assert [each.run for each in history.read(registry)] == ["a"]


def test_a_step_that_is_tried_again_has_its_claim_still(registry):
    assert begin(registry, "a").train
    assert begin(registry, "a").train


@pytest.mark.parametrize("verdict", ["accepted", "rejected"])
def test_a_training_ends_with_the_version_that_its_run_registers(registry, register, verdict):
    begin(registry, "a")
    number = register(registry, "a", verdict)

    assert [(each.outcome, each.made) for each in history.read(registry)] == [(verdict, number)]
    history.end(registry, "a")

    version = registry.version(number)
    assert version.tags["trigger"] == "drift"
    assert version.tags["trigger.share"] == "0.50"
    assert version.tags["trigger.version"] == "1"
    run = registry.client.get_run(version.run_id)
    assert run.data.tags["trigger"] == "drift"
    assert registry.champion().number == "1"


def test_a_training_that_registers_nothing_made_the_very_same_model(registry):
    begin(registry, "a")

    assert history.end(registry, "a").outcome == "unchanged"
    assert history.read(registry)[0].outcome == "unchanged"


def test_a_training_of_a_person_is_not_recorded(registry, register):
    number = register(registry, "by hand", "accepted")

    assert history.end(registry, "by hand") is None
    assert "trigger" not in registry.version(number).tags


def test_a_killed_training_holds_others_off_for_a_day(registry):
    begin(registry, "killed", hours=23.9)
    assert not begin(registry, "b").train

    history._write(
        registry,
        history.read(registry)[0].model_copy(
            update={"started": datetime.now(UTC) - timedelta(hours=24.1)}
        ),
    )

    assert begin(registry, "b").train
    assert {each.run: each.outcome for each in history.read(registry)}["killed"] == "failed"


def test_old_trainings_are_forgotten(registry):
    begin(registry, "old", hours=29 * 24)
    begin(registry, "new")

    assert [each.run for each in history.read(registry)] == ["new"]


def test_of_two_at_once_at_most_one_trains(registry, tmp_path):
    runs = ["a", "b", "c"]
    command = [sys.executable, "-c", BEGIN, registry.uri, registry.name, str(tmp_path)]
    processes = [
        subprocess.Popen([*command, run], stdout=subprocess.PIPE, text=True) for run in runs
    ]
    while not all((tmp_path / f"ready-{run}").exists() for run in runs):
        assert all(process.poll() is None for process in processes)
    (tmp_path / "go").touch()

    said = [process.communicate(timeout=120)[0].strip() for process in processes]

    assert said.count("trains") <= 1
    assert said.count("trains") + said.count("waits") == 3
    assert len(history.read(registry)) == said.count("trains")
