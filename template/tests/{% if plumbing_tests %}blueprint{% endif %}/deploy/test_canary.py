"""The gate of a canary, by tables of numbers."""

import math
from types import SimpleNamespace

import pytest

from blueprint.deploy.canary import GO_ON, STOP, WAIT, Sample, at_least, evaluate, follows, quantile

LIMITS = SimpleNamespace(min_requests=100, error_rate=0.01, latency=1.5, distribution=0.2)
BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, math.inf)


def answered(requests, *, errors=0, rejected=0, seconds=0.02, slow=0, predicted=None):
    """A sample of answers that take `seconds`, but for `slow` of them that take half a second."""
    fast = requests - slow
    latency = {bound: fast * (seconds <= bound) + slow * (bound >= 0.5) for bound in BOUNDS}
    return Sample(requests, errors, rejected, latency, predicted or {})


@pytest.mark.parametrize(
    ("canary", "stable", "word", "reason"),
    [
        # Enough requests and nothing wrong.
        (answered(100), answered(900), GO_ON, ""),
        (answered(100), Sample(), GO_ON, ""),  # nothing to compare with: the limits alone
        # Too few to say.
        (answered(99), answered(900), WAIT, "99 of 100 requests"),
        (Sample(), Sample(), WAIT, "0 of 100 requests"),
        # Errors: one of a hundred is the limit, and what cannot be made good ends it at once.
        (answered(100, errors=1), answered(900), GO_ON, ""),
        (answered(100, errors=2), answered(900), STOP, "2 of 100 answers are 5xx"),
        (answered(3, errors=3), answered(27), STOP, "3 of 3 answers are 5xx"),
        (answered(10, errors=1), answered(90), WAIT, "10 of 100"),
        (answered(1000, errors=10), answered(900), GO_ON, ""),
        (answered(1000, errors=11), answered(900), STOP, "5xx"),
        # The version in service fails as often: not the canary's fault.
        (answered(100, errors=5), answered(900, errors=45), GO_ON, ""),
        (answered(100, errors=7), answered(900, errors=45), STOP, "beside 5.0%"),
        # It rejects what the other one takes.
        (answered(100, rejected=30), answered(900, rejected=3), STOP, "30 of 100 answers are 4xx"),
        (answered(100, rejected=30), answered(900, rejected=270), GO_ON, ""),
        # Latency: a few slow answers are chance, more are not.
        (answered(100, slow=3), answered(900), GO_ON, ""),
        (answered(100, slow=6), answered(900), STOP, "p99"),
        (answered(3, slow=3), answered(27), WAIT, ""),
        (answered(10, slow=10), answered(90), STOP, "p99"),
        (answered(100, slow=60), answered(900, slow=90), GO_ON, ""),  # the other's p99 is as slow
        # Ten times slower, and still nobody minds.
        (answered(100, seconds=0.009), answered(900, seconds=0.0009), GO_ON, ""),
    ],
)
def test_verdicts(canary, stable, word, reason):
    verdict = evaluate(canary, stable, LIMITS)
    assert verdict.word == word, verdict.reasons
    assert reason in "; ".join(verdict.reasons)


@pytest.mark.parametrize(
    ("canary", "stable", "share", "word"),
    [
        (0, 200, 0.1, STOP),  # 20 of them should have come
        (0, 150, 0.1, GO_ON),  # too few to say
        (100, 900, 0.1, GO_ON),
        (4, 6, 0.1, GO_ON),
        (500, 500, 0.1, STOP),  # half of them, where a tenth was asked
        (600, 400, 0.5, GO_ON),
        (0, 0, 0.1, GO_ON),
        (1000, 0, 1.0, GO_ON),
    ],
)
def test_the_gateway_follows_the_weights(canary, stable, share, word):
    assert follows(answered(canary), answered(stable), share).word == word


@pytest.mark.parametrize(
    ("now", "word"),
    [
        ({"a": 50, "b": 50}, GO_ON),
        ({"a": 62, "b": 38}, GO_ON),
        ({"a": 100}, STOP),
        ({"c": 100}, STOP),
        ({"a": 30}, GO_ON),  # of a metric with few values nothing is said
    ],
)
def test_the_predictions_are_compared(now, word):
    stable = answered(900, predicted={"a": 450, "b": 450})
    assert evaluate(answered(100, predicted=now), stable, LIMITS).word == word


def test_quantiles_are_those_of_prometheus():
    assert quantile({}, 0.99) is None
    assert quantile({0.1: 0, math.inf: 0}, 0.99) is None
    assert quantile({0.1: 50, 0.2: 100, math.inf: 100}, 0.5) == pytest.approx(0.1)
    assert quantile({0.1: 50, 0.2: 100, math.inf: 100}, 0.75) == pytest.approx(0.15)
    assert quantile({0.1: 50, math.inf: 100}, 0.99) == 0.1  # the last bound that is a number


def test_what_a_share_proves_grows_with_the_number():
    assert at_least(0, 0) == 0
    proven = [at_least(hits, 10 * hits) for hits in (1, 10, 100, 1000)]
    assert proven == sorted(proven)
    assert 0.09 < proven[-1] < 0.1
