"""The content of verdict.json, as evaluate_model writes it and everything after it reads it."""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict


class RuleRecord(TypedDict):
    """A `gate.Outcome`; a number that is NaN is None."""

    name: str
    rule: str
    passed: bool
    detail: str
    numbers: Mapping[str, float | None]


class ChampionRecord(TypedDict):
    """The champion's metrics on the same rows; none where it could not be measured."""

    version: str
    metrics: Mapping[str, float]


class SliceRecord(TypedDict):
    """A `gate.Slice`, with its finite metrics."""

    name: str
    rows: int
    metrics: Mapping[str, float]


class Record(TypedDict):
    """The verdict and what was measured for it.

    A metric that cannot be computed is None. An interval's lower bound is exceeded with
    `confidence`, and its upper one not reached with the same. `baseline` holds the metrics of a
    constant answer. `facts` are the data's source and hashes, the commit and the pipeline run.
    """

    accepted: bool
    reason: str
    rules: Sequence[RuleRecord]
    metrics: Mapping[str, float | None]
    confidence: float
    intervals: Mapping[str, Sequence[float]]
    baseline: Mapping[str, float]
    champion: ChampionRecord | None
    slices: Sequence[SliceRecord]
    latency_ms: float | None
    size_mb: float
    evaluated: NotRequired[str]  # the time, ISO 8601 in UTC; not in verdicts of release 0.4.0
    facts: Mapping[str, str]
