"""Drift and the trainings so far to a decision: train now, or why not. It reads and writes nothing.

Every time is in UTC and has its time zone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import BaseModel

from .settings import Retraining

WEEK = timedelta(days=7)
LOST = timedelta(hours=24)  # without a version after that, a training was killed
Outcome = Literal["", "accepted", "rejected", "unchanged", "failed"]
AT_WORK: Outcome = ""
WORDS = {True: "drift", False: "no drift", None: "unknown"}  # of what was detected


class Drift(NamedTuple):
    """What the decision must know of a check: `detected` is None where there were too few rows."""

    detected: bool | None
    share: float
    rows: int


class Attempt(BaseModel):
    """One training that drift has started.

    `run` is the pipeline run, `version` the one whose rows had drifted, `share` that of its
    columns. `made` is the version that the training registered, "" where there is none.
    """

    run: str
    started: datetime
    version: str
    share: float
    rows: int
    outcome: Outcome = AT_WORK
    made: str = ""


class Decision(NamedTuple):
    """Whether to train, and why or why not in words."""

    train: bool
    reason: str


def decide(drift: Drift, attempts: Sequence[Attempt], rules: Retraining, now: datetime) -> Decision:
    """Train where there is drift, it is allowed, nothing trains already, and it is not too soon."""
    if drift.detected is None:
        return Decision(False, f"{drift.rows:,} rows are too few to say")
    if not drift.detected:
        return Decision(False, "no drift")
    if not rules.enabled:
        return Decision(False, "retraining.enabled is false: `make run` trains")
    if busy := [each for each in attempts if at_work(each, now)]:
        since = f"{busy[0].started:%Y-%m-%d %H:%M} UTC"
        return Decision(False, f"{busy[0].run} has been training since {since}")
    begun = sorted(each.started for each in attempts)
    if begun and now - begun[-1] < (pause := timedelta(hours=rules.cooldown_hours)):
        again = f"{begun[-1] + pause:%Y-%m-%d %H:%M} UTC"
        rule = f"retraining.cooldown_hours: {rules.cooldown_hours:g}"
        return Decision(False, f"the last training is too recent ({rule}): again after {again}")
    week = [each for each in begun if now - each < WEEK]
    if len(week) >= rules.per_week:
        again = f"{week[-rules.per_week] + WEEK:%Y-%m-%d %H:%M} UTC"
        rule = f"retraining.per_week: {rules.per_week}"
        return Decision(False, f"the week's trainings are spent ({rule}): again after {again}")
    return Decision(True, "training on fresh data")


def at_work(attempt: Attempt, now: datetime) -> bool:
    """Whether a training may still go on: it has no outcome yet, and began within a day."""
    return attempt.outcome == AT_WORK and now - attempt.started < LOST


def rejections(attempts: Sequence[Attempt]) -> int:
    """How many trainings in a row ended without a new champion; the newest ones count."""
    count = 0
    for each in sorted(attempts, key=lambda each: each.started, reverse=True):
        if each.outcome == "accepted":
            break
        count += each.outcome == "rejected"
    return count
