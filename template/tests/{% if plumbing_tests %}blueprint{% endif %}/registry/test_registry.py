"""Versions and the champion: what register_model leaves, and that of two runs one gives way."""

import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from blueprint.registry import client
from blueprint.registry.client import ChampionMovedError, Registry, RegistryError

# Promote one version after another, each at the moment that a file says go.
PROMOTE = """
import sys, time
from pathlib import Path
from blueprint.registry.client import ChampionMovedError, Registry

uri, name, folder, *numbers = sys.argv[1:]
registry, folder = Registry(uri, name), Path(folder)
for number in numbers:
    over = registry.champion()
    (folder / f"ready-{number}").touch()
    while not (folder / f"go-{number}").exists():
        pass
    try:
        registry.promote(number, over=over, tags={"promoted.by": "test"})
        print(number, flush=True)
    except ChampionMovedError as error:
        print("gave way:", error, flush=True)
"""


def test_an_accepted_model_is_a_version_with_its_lineage_and_the_champion(registry, evaluate):
    evaluated = evaluate(1.0)

    result = evaluated.register(registry)

    assert (result.version, result.promoted) == ("1", True)
    champion = registry.champion()
    assert champion.champion
    assert champion.accepted
    assert champion.run_id == evaluated.run_id
    assert {
        "verdict": "accepted",
        "data.train_hash": "beef",
        "data.test_hash": "7e57",
        "git.commit": "abc1234-dirty",
        "environment.lock": "f00d" * 16,
        "promoted.by": "pipeline run run-1.0",
        "promoted.reason": "accepted by the gate",
        "promoted.forced": "false",
    }.items() <= champion.tags.items()


def test_a_version_is_found_by_its_data(registry, evaluate):
    evaluate(1.0).register(registry)

    query = f"name = '{registry.name}' and tags.`data.train_hash` = 'beef'"
    [found] = registry.client.search_model_versions(query)

    assert (found.run_id, found.tags["git.commit"]) == (
        registry.champion().run_id,
        "abc1234-dirty",
    )


def test_a_rejected_model_is_a_version_and_changes_nothing_else(registry, evaluate):
    evaluate(1.0).register(registry)

    result = evaluate(2.0, accepted=False).register(registry)

    assert (result.version, result.promoted) == ("2", False)
    assert "rejected; version 1 stays the champion" in result.line
    newest, old = registry.versions()
    assert (newest.number, newest.accepted, newest.aliases) == ("2", False, ())
    assert newest.tags["verdict.reason"] == "rmse ≤ 1 | 2: 0.5000"
    assert old.champion


def test_the_same_model_stays_one_version(registry, evaluate):
    evaluated = evaluate(1.0)

    evaluated.register(registry)
    again = evaluated.register(registry)

    assert (again.version, again.promoted) == ("1", True)
    assert "is this very model" in again.line
    assert len(registry.versions()) == 1


def test_a_model_compared_with_an_old_champion_is_rejected(registry, evaluate):
    evaluate(1.0).register(registry)
    first, second = evaluate(2.0), evaluate(3.0)

    won = first.register(Registry(registry.uri, registry.name))
    lost = second.register(Registry(registry.uri, registry.name))

    assert won.promoted
    assert not lost.promoted
    assert lost.line.endswith(
        "the champion changed while this model was evaluated "
        "(it was version 1, now it is version 2): run again"
    )
    assert registry.champion().number == "2"
    loser = registry.version("3")
    assert not loser.accepted
    assert "champion changed" in loser.tags["verdict.reason"]
    description = registry.client.get_model_version(registry.name, "3").description
    assert description.startswith("## Rejected")


def test_a_first_model_gives_way_when_another_was_first(registry, evaluate):
    first, second = evaluate(1.0), evaluate(2.0)
    first.register(registry)

    lost = second.register(registry)

    assert "there was none, now it is version 1" in lost.line
    assert registry.champion().number == "1"


@pytest.fixture
def three(registry, evaluate):
    """Three versions; the first is the champion."""
    evaluate(1.0).register(registry)
    for slope in (2.0, 3.0):
        evaluate(slope, accepted=False).register(registry)
    return registry


@pytest.mark.parametrize("skew", [-600, 600])
def test_a_claim_counts_whatever_the_clock_of_its_host_says(three, skew):
    champion = three.champion()
    three.set_tags("2", {client.CLAIM: f"{time.time() + skew:.3f}"})
    move = three.client.set_registered_model_alias
    threading.Timer(0.5, move, (three.name, client.CHAMPION, "2")).start()

    with pytest.raises(ChampionMovedError, match="it was version 1, now it is version 2"):
        three.promote("3", over=champion, tags={})


@pytest.mark.parametrize("skew", [-600, 600])
def test_a_claim_whose_process_died_is_void_after_a_while(three, skew, monkeypatch):
    three.set_tags("2", {client.CLAIM: f"{time.time() + skew:.3f}"})
    monkeypatch.setattr(client, "CLAIM_SECONDS", 0.1)

    three.promote("3", over=three.champion(), tags={})

    assert three.champion().number == "3"
    assert not any(client.CLAIM in each.tags for each in three.versions())


def test_many_versions_take_no_request_each(three, monkeypatch):
    asked = []
    monkeypatch.setattr(three.client, "get_run", asked.append)

    assert [each.metrics["rmse"] for each in three.versions()] == [1.5, 1.0, 0.5]
    assert asked == []


def test_a_version_without_a_run_is_listed_all_the_same(three):
    three.client.create_model_version(three.name, "s3://elsewhere/model", run_id=None)

    assert next((each.number, each.accepted) for each in three.versions()) == ("4", False)


def test_of_two_processes_at_once_at_most_one_goes_on(registry, evaluate, tmp_path):
    evaluate(0.5).register(registry)
    rounds = [("2", "3"), ("4", "5"), ("6", "7")]
    for slope in range(1, 7):
        evaluate(float(slope), accepted=False).register(registry)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROMOTE, registry.uri, registry.name, str(tmp_path), *numbers],
            stdout=subprocess.PIPE,
            text=True,
        )
        for numbers in zip(*rounds, strict=True)
    ]

    champion = "1"
    for numbers in rounds:
        wait_for([tmp_path / f"ready-{number}" for number in numbers])
        for number in numbers:
            (tmp_path / f"go-{number}").touch()
        said = [process.stdout.readline().strip() for process in processes]
        winners = [line for line in said if line.isdigit()]
        assert len(winners) <= 1, said
        champion = winners[0] if winners else champion
        assert registry.champion().number == champion, said
    assert [process.wait(30) for process in processes] == [0, 0]


def wait_for(files: list[Path]) -> None:
    end = time.monotonic() + 60
    while not all(file.exists() for file in files):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_version_that_is_not_there_is_said(registry, evaluate):
    assert registry.champion() is None
    assert registry.versions() == []
    for number in ("7", "latest"):
        with pytest.raises(RegistryError, match=f"has no version {number}: `make models`"):
            registry.version(number)


def test_a_locked_database_is_said_in_one_line(tmp_path):
    database = sqlite3.connect(tmp_path / "mlflow.db")
    database.execute("BEGIN EXCLUSIVE")

    with pytest.raises(RegistryError, match=r"cannot open .* database is locked: wait, or stop"):
        Registry(f"sqlite:///{tmp_path}/mlflow.db?timeout=0.1", "locked")

    database.close()
