"""Five faults in a real server and a pipeline: each makes the right alert arrive, and clear.

The rules are the project's, in all but the length of a minute (`watched.scaled`).
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.watched import NAME, Programs, Watched, until

pytestmark = pytest.mark.slow  # minutes
SECONDS = 90  # an alert takes 2 to 25 on an idle machine


@pytest.fixture(autouse=True)
def healthy(watched: Watched) -> Iterator[None]:
    """Traffic as it should be, until both classes were predicted and no alert is left."""

    def heal() -> None:
        watched.inject("")
        watched.clients.only, watched.clients.factor = None, 1.0
        push_run(watched.programs, time.time())

    heal()
    until(lambda: len(watched.programs.query("model:predictions:increase1h > 20")) == 2, "load", 60)
    quiet = 'ALERTS{severity="page"}'  # a ticket stays as long as its windows
    until(lambda: not watched.programs.query(quiet), "no alert is left", SECONDS)
    yield
    heal()


def push_run(programs: Programs, ended: float, every: float = 3600) -> None:
    names = ("last_run_timestamp_seconds", "last_success_timestamp_seconds")
    metrics = {f"pipeline_{name}": ended for name in names}
    programs.push(NAME, {**metrics, "pipeline_schedule_seconds": every})


def arrives_and_clears(
    watched: Watched, name: str, begin: Callable[[], None], end: Callable[[], None]
) -> None:
    """Inject a fault: its alert arrives at the webhook, with all that it must say, and clears."""
    programs = watched.programs
    before = len(programs.webhook.received)
    begin()
    alert = until(lambda: programs.alert(name, "firing", before), f"{name} arrives", SECONDS)
    said = alert["annotations"]
    page = Path(watched.project.path, said["runbook_url"])
    assert page.is_file(), "the page that the alert names is in the project"
    assert said["summary"]
    assert said["description"]
    if alert["labels"].get("job") == NAME:
        assert said["version"].strip() == "1", "an alert says which version is in service"
    end()
    until(lambda: programs.alert(name, "resolved", before), f"{name} clears", SECONDS)


def test_errors(watched: Watched) -> None:
    arrives_and_clears(
        watched,
        "ErrorBudgetBurnsFast",
        lambda: watched.inject("errors"),
        lambda: watched.inject(""),
    )


def test_latency(watched: Watched) -> None:
    arrives_and_clears(
        watched,
        "LatencyBudgetBurnsFast",
        lambda: watched.inject("latency"),
        lambda: watched.inject(""),
    )


def test_one_class(watched: Watched) -> None:
    def only(row: Any) -> None:
        watched.clients.only = row

    row = next(iter(watched.clients.rows.values()))[0]
    arrives_and_clears(watched, "OneClassOnly", lambda: only(row), lambda: only(None))


def test_drifted_input(watched: Watched) -> None:
    def change(factor: float) -> None:
        watched.clients.factor = factor

    arrives_and_clears(watched, "InputsOutOfRange", lambda: change(1000.0), lambda: change(1.0))


def test_a_dead_pipeline(watched: Watched) -> None:
    arrives_and_clears(
        watched,
        "ScheduleSilent",
        lambda: push_run(watched.programs, time.time(), every=2),
        lambda: push_run(watched.programs, time.time()),
    )


def test_the_dead_mans_switch_arrives_again_and_again(watched: Watched) -> None:
    def times() -> int:
        received = watched.programs.webhook.received
        switch = ("/HEARTBEAT", "DeadMansSwitch")
        return sum((path, a["labels"]["alertname"]) == switch for path, a in received)

    first = times()
    until(lambda: times() > first + 2, "the dead man's switch", SECONDS)
