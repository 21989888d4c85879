"""The gate of a canary: may it have a larger share of the requests, by what it answered so far?

Pure: two samples of numbers and the limits of the configuration give a verdict with its reasons.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

NEGLIGIBLE = 0.01  # seconds; a scheduler's noise is as much, and no client minds
SURE = 3.0  # standard errors: once in seven hundred by chance
FEW = 10  # slow answers that are no chance, however few requests there were
NOTHING = 20  # requests that a canary should have had by now, of which none came

GO_ON, STOP, WAIT = "continue", "stop", "wait"


class Limits(Protocol):
    """What a canary is held to: the section `deploy.canary` of the configuration."""

    @property
    def min_requests(self) -> int: ...
    @property
    def error_rate(self) -> float: ...
    @property
    def latency(self) -> float: ...
    @property
    def distribution(self) -> float: ...


@dataclass(frozen=True)
class Sample:
    """What the pods of one version answered in some time.

    `errors` are answers of 5xx, `rejected` those of 4xx. `latency` counts the answers that took no
    longer than so many seconds, up to infinity; `predicted` how often each value was predicted,
    where the servers count that.
    """

    requests: float = 0
    errors: float = 0
    rejected: float = 0
    latency: Mapping[float, float] = field(default_factory=dict)
    predicted: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: "Sample") -> "Sample":
        return Sample(
            self.requests + other.requests,
            self.errors + other.errors,
            self.rejected + other.rejected,
            _sum(self.latency, other.latency),
            _sum(self.predicted, other.predicted),
        )

    def p99(self) -> float | None:
        """Seconds that 99 of 100 answers took at most, as Prometheus' histogram_quantile has it."""
        return quantile(self.latency, 0.99)


@dataclass(frozen=True)
class Verdict:
    """`word` is GO_ON, STOP or WAIT (for more requests); the reasons are for people."""

    word: str
    reasons: tuple[str, ...] = ()


def evaluate(canary: Sample, stable: Sample, limits: Limits) -> Verdict:
    """Compare a canary with the version in service.

    `stable` may be a sample of an earlier time; one without requests leaves the limits alone to
    compare with.
    """
    found = [
        *_rate("5xx", canary.errors, stable.errors, canary, stable, limits),
        *_rate("4xx", canary.rejected, stable.rejected, canary, stable, limits),
        *_slower(canary, stable, limits),
        *_other_predictions(canary, stable, limits),
    ]
    if found:
        return Verdict(STOP, tuple(found))
    if canary.requests < limits.min_requests:
        return Verdict(WAIT, (f"{canary.requests:.0f} of {limits.min_requests} requests",))
    return Verdict(GO_ON)


def follows(canary: Sample, stable: Sample, share: float) -> Verdict:
    """Does the gateway give the canary that share, between 0 and 1, of what both answered?"""
    total = canary.requests + stable.requests
    if share < 1 and canary.requests == 0 and share * total >= NOTHING:
        text = f"none of {total:.0f} requests came to it, where {share:.0%} should"
        return Verdict(STOP, (text,))
    if share < 1 and at_least(canary.requests, total) > min(2 * share, (1 + share) / 2):
        got = f"{canary.requests / total:.0%} of the requests"
        return Verdict(STOP, (f"{got} came to it, where {share:.0%} should",))
    return Verdict(GO_ON)


def quantile(latency: Mapping[float, float], share: float) -> float | None:
    """The quantile of a cumulative histogram, in its unit; None for an empty one."""
    bounds = sorted(latency)
    if not bounds or latency[bounds[-1]] <= 0:
        return None
    rank = share * latency[bounds[-1]]
    below, before = 0.0, 0.0
    for bound in bounds:
        if latency[bound] >= rank:
            if math.isinf(bound):
                return below
            inside = latency[bound] - before
            return below + (bound - below) * ((rank - before) / inside if inside else 1)
        below, before = bound, latency[bound]
    return below


def at_least(hits: float, trials: float) -> float:
    """The share that so many hits prove: the lower end of Wilson's interval."""
    if trials <= 0:
        return 0.0
    p, z2 = min(hits / trials, 1.0), SURE**2
    middle = p + z2 / (2 * trials)
    spread = SURE * math.sqrt(p * (1 - p) / trials + z2 / (4 * trials**2))
    return max(0.0, (middle - spread) / (1 + z2 / trials))


def _rate(
    what: str, bad: float, bad_before: float, canary: Sample, stable: Sample, limits: Limits
) -> list[str]:
    """More such answers than the limit allows above the stable version's own rate.

    More than it may have among `min_requests` ends it at once: no later answer makes that good.
    """
    before = bad_before / stable.requests if stable.requests else 0.0
    allowed = before + limits.error_rate
    if bad <= allowed * max(canary.requests, limits.min_requests):
        return []
    beside = f" beside {before:.1%} of the version in service" if before else ""
    rate = f"{bad:.0f} of {canary.requests:.0f} answers are {what}"
    return [f"{rate}, over deploy.canary.error_rate {limits.error_rate:g}{beside}"]


def _slower(canary: Sample, stable: Sample, limits: Limits) -> list[str]:
    """Surely more than 1 % of its answers take longer than the stable version's p99 allows."""
    before, now = stable.p99(), canary.p99()
    if before is None or now is None or not canary.requests:
        return []
    most = max(limits.latency * before, NEGLIGIBLE)
    bound = min((each for each in canary.latency if each >= most), default=math.inf)
    slow = canary.latency[max(canary.latency)] - canary.latency.get(bound, 0)
    if slow < FEW and canary.requests < limits.min_requests:
        return []
    if at_least(slow, canary.requests) <= 0.01:
        return []
    beside = f"{milliseconds(now)} beside {milliseconds(before)} of the version in service"
    return [f"p99 {beside}, over deploy.canary.latency {limits.latency:g}"]


def _other_predictions(canary: Sample, stable: Sample, limits: Limits) -> list[str]:
    """The values it predicts are spread otherwise, by more than chance explains."""
    now, before = sum(canary.predicted.values()), sum(stable.predicted.values())
    if min(now, before) < limits.min_requests:
        return []
    distance = chance = 0.0
    for value in {*canary.predicted, *stable.predicted}:
        p, q = canary.predicted.get(value, 0) / now, stable.predicted.get(value, 0) / before
        both = (p * now + q * before) / (now + before)
        distance += abs(p - q) / 2
        chance += math.sqrt(both * (1 - both) * (1 / now + 1 / before) * 2 / math.pi) / 2
    if distance - chance <= limits.distribution:
        return []
    return [
        f"it predicts other values: distance {distance:.2f}, over deploy.canary.distribution "
        f"{limits.distribution:g}"
    ]


def milliseconds(seconds: float | None) -> str:
    """A time for people."""
    return "–" if seconds is None else f"{seconds * 1000:.3g} ms"


def _sum(one: Mapping, other: Mapping) -> dict:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {*one, *other}}
