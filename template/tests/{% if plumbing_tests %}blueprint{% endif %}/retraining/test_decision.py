"""Drift and the trainings so far to a decision. Nothing is read or written."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueprint.monitoring.retraining.decision import Attempt, Drift, at_work, decide, rejections
from blueprint.monitoring.retraining.settings import Retraining

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
DRIFT = Drift(True, 0.5, 1000)
RULES = Retraining(enabled=True, cooldown_hours=24, per_week=2)


def attempt(hours: float, outcome: str = "accepted", run: str = "") -> Attempt:
    """A training that began so many hours ago."""
    return Attempt(
        run=run or f"run-{hours:g}",
        started=NOW - timedelta(hours=hours),
        version="1",
        share=0.5,
        rows=1000,
        outcome=outcome,
    )


@pytest.mark.parametrize(
    ("drift", "before", "rules", "reason"),
    [
        (Drift(None, 0, 12), [], RULES, "12 rows are too few to say"),
        (Drift(False, 0.1, 900), [], RULES, "no drift"),
        (DRIFT, [], Retraining(), "retraining.enabled is false: `make run` trains"),
        (
            DRIFT,
            [attempt(2, "")],
            RULES,
            "run-2 has been training since 2026-11-27 10:00 UTC",
        ),
        (
            DRIFT,
            [attempt(23.5, "rejected")],
            RULES,
            "the last training is too recent (retraining.cooldown_hours: 24): again after "
            "2026-11-27 12:30 UTC",
        ),
        (
            DRIFT,
            [attempt(30), attempt(7 * 24 - 1)],
            RULES,
            "the week's trainings are spent (retraining.per_week: 2): again after "
            "2026-11-27 13:00 UTC",
        ),
    ],
)
def test_it_does_not_train_and_says_why(drift, before, rules, reason):
    assert decide(drift, before, rules, NOW) == (False, reason)


@pytest.mark.parametrize(
    "before",
    [
        [],
        [attempt(24)],
        [attempt(30), attempt(7 * 24)],
        [attempt(30, "failed")],
        [attempt(24, "")],  # killed: it has left no outcome
    ],
)
def test_it_trains_on_drift(before):
    assert decide(DRIFT, before, RULES, NOW) == (True, "training on fresh data")


def test_without_a_cooldown_one_at_a_time_is_left():
    rules = Retraining(enabled=True, cooldown_hours=0, per_week=100)

    assert decide(DRIFT, [attempt(0.1)], rules, NOW).train
    assert not decide(DRIFT, [attempt(0.1, "")], rules, NOW).train


@given(
    hours=st.lists(st.floats(0, 400), max_size=12),
    cooldown=st.floats(0, 72),
    per_week=st.integers(1, 5),
)
def test_whatever_was_it_keeps_to_the_pause_and_the_week(hours, cooldown, per_week):
    before = [attempt(each, run=str(i)) for i, each in enumerate(hours)]
    rules = Retraining(enabled=True, cooldown_hours=cooldown, per_week=per_week)

    if decide(DRIFT, before, rules, NOW).train:
        assert all(NOW - each.started >= timedelta(hours=cooldown) for each in before)
        assert sum(NOW - each.started < timedelta(days=7) for each in before) < per_week


def test_rejections_are_counted_since_the_last_champion():
    ended = [attempt(90, "rejected"), attempt(60), attempt(40, "rejected"), attempt(9, "rejected")]

    assert rejections(ended) == 2
    assert rejections([*ended, attempt(1, "")]) == 2  # one at work says nothing yet
    assert rejections([*ended, attempt(1)]) == 0
    assert not at_work(attempt(25, ""), NOW)
