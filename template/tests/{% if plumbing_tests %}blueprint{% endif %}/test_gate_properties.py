"""What holds of the gate whatever the numbers are: Hypothesis looks for those that break it."""

import math
from dataclasses import fields, replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from blueprint.gate import (
    LOWER_IS_BETTER,
    Budgets,
    Champion,
    Comparison,
    Evidence,
    Gain,
    Gate,
    McNemar,
    Slice,
    Slices,
    Verdict,
    decide,
)

# Few, so that `make test` stays quick; the same ones in every run.
few = settings(max_examples=100, deadline=None, derandomize=True, database=None)

shares = st.floats(0, 1)
metrics = st.sampled_from(["accuracy", "log_loss"])
gains = st.builds(
    lambda other, value, below, above: Gain(other, value, value - below, value + above),
    shares,
    st.floats(-1, 1),
    shares,
    shares,
)
slices = st.just(Slices()) | st.builds(
    Slices,
    classes=st.just(True),
    floors=st.dictionaries(metrics, shares, min_size=1),
    min_rows=st.integers(1, 60),
)
budget = st.none() | st.floats(0.1, 10)
rules = st.builds(
    Gate,
    champion=st.builds(Comparison, metric=metrics, margin=shares, confidence=st.floats(0.51, 0.99)),
    floors=st.dictionaries(metrics, shares),
    baseline=st.booleans(),
    overlap=st.floats(0, 0.5),
    slices=slices,
    budgets=st.builds(Budgets, latency_ms=budget, size_mb=budget),
)
measured = st.fixed_dictionaries({"accuracy": shares, "log_loss": shares})
evidences = st.builds(
    Evidence,
    metrics=measured,
    rows=st.integers(0, 500),
    overlapping=st.integers(0, 20),
    baseline=gains,
    champion=st.none()
    | st.builds(
        Champion,
        version=st.just("3"),
        gain=st.none() | gains,
        mcnemar=st.none() | st.builds(McNemar, st.integers(0, 50), st.integers(0, 50), shares),
        error=st.sampled_from(["", "", "", "damaged"]),
    ),
    latency_ms=st.floats(0, 10),
    size_mb=st.floats(0, 10),
    slices=st.lists(st.builds(Slice, st.just("a"), st.integers(0, 100), measured), max_size=2),
    errors=st.sampled_from([(), (), (), ("unsound",)]),
)
steps = st.floats(0, 0.5)


@st.composite
def accepted(draw):
    """Evidence that passes, and the rules that it passes."""
    gate = draw(rules)
    best = {"accuracy": 1.0, "log_loss": 0.0}
    champion = Champion("3", {}, Gain(0.5, 0.2, 0.1, 0.3), McNemar(5, 1, 0.9))
    evidence = Evidence(
        metrics=best,
        rows=500,
        overlapping=0,
        baseline=Gain(0.5, 0.2, 0.1, 0.3),
        champion=draw(st.sampled_from([champion, replace(champion, mcnemar=None), None])),
        latency_ms=0.05,
        size_mb=0.05,
        slices=(Slice("a", 100, best),),
    )
    return evidence, gate


@few
@given(accepted())
def test_the_best_evidence_is_accepted(case):
    assert decide(*case).accepted


def better(evidence, gate, step):
    """The same evidence of a challenger whose scores are better by `step`."""

    def raised(scores):
        return {
            name: value - step if name in LOWER_IS_BETTER else value + step
            for name, value in scores.items()
        }

    def more(gain):
        return gain and Gain(gain.other, gain.value + step, gain.low + step, gain.high + step)

    champion = evidence.champion
    return replace(
        evidence,
        metrics=raised(evidence.metrics),
        baseline=more(evidence.baseline),
        champion=champion and replace(champion, gain=more(champion.gain)),
        slices=[replace(each, metrics=raised(each.metrics)) for each in evidence.slices],
    )


@few
@given(evidences, rules, steps)
def test_a_better_challenger_fails_no_rule_that_a_worse_one_passed(evidence, gate, step):
    before = decide(evidence, gate)
    after = decide(better(evidence, gate, step), gate)

    assert after.accepted >= before.accepted
    assert [rule.name for rule in after.rules] == [rule.name for rule in before.rules]
    for new, old in zip(after.rules, before.rules, strict=True):
        assert new.passed >= old.passed, new


@few
@given(accepted(), steps)
def test_stricter_rules_accept_no_more(case, step):
    evidence, gate = case
    evidence = better(evidence, gate, -step)
    floors = {n: v - step if n in LOWER_IS_BETTER else v + step for n, v in gate.floors.items()}
    stricter = gate.model_copy(
        update={
            "champion": gate.champion.model_copy(update={"margin": gate.champion.margin / 2}),
            "overlap": gate.overlap / 2,
            "floors": floors,
            "baseline": True,
        }
    )

    assert decide(evidence, stricter).accepted <= decide(evidence, gate).accepted


def numbers_of(evidence, gate):
    """The places of all numbers that these rules look at, as functions that spoil them."""
    for name in {gate.champion.metric, *gate.floors}:
        yield lambda bad, n=name: replace(evidence, metrics={**evidence.metrics, n: bad})
    champion = evidence.champion
    for number in fields(Gain):
        if gate.baseline:
            yield lambda bad, n=number.name: replace(
                evidence, baseline=replace(evidence.baseline, **{n: bad})
            )
        if champion:
            yield lambda bad, n=number.name: replace(
                evidence,
                champion=replace(champion, gain=replace(champion.gain, **{n: bad})),
            )
    if champion and champion.mcnemar:
        yield lambda bad: replace(
            evidence, champion=replace(champion, mcnemar=replace(champion.mcnemar, p=bad))
        )
    for name in gate.slices.floors:
        [one] = evidence.slices
        yield lambda bad, n=name, one=one: replace(
            evidence, slices=[replace(one, metrics={**one.metrics, n: bad})]
        )
    for name in ("latency_ms", "size_mb"):
        if getattr(gate.budgets, name) is not None:
            yield lambda bad, n=name: replace(evidence, **{n: bad})
    yield lambda bad: replace(evidence, rows=bad)
    yield lambda bad: replace(evidence, overlapping=bad)


@few
@given(accepted(), st.data())
def test_one_number_that_is_none_closes_the_gate(case, data):
    evidence, gate = case
    spoil = data.draw(st.sampled_from(list(numbers_of(evidence, gate))))

    assert not decide(spoil(math.nan), gate).accepted


@few
@given(accepted(), metrics)
def test_a_metric_that_is_missing_closes_the_gate(case, name):
    evidence, gate = case
    assume(name in {gate.champion.metric, *gate.floors})
    left = {key: value for key, value in evidence.metrics.items() if key != name}

    assert not decide(replace(evidence, metrics=left), gate).accepted


@few
@given(accepted(), shares, st.floats(0.001, 1))
def test_of_two_models_one_is_not_surely_worse(case, distance, width):
    """Changing places turns the gain and its bounds about; both cannot fail without a margin."""
    evidence, gate = case
    assume(evidence.champion)
    exact = gate.champion.model_copy(update={"margin": 0.0})
    gate, low, high = gate.model_copy(update={"champion": exact}), -distance * width, width

    def passes(*gain):
        champion = Champion("3", {}, Gain(0.5, *gain))
        verdict = decide(replace(evidence, champion=champion), gate)
        return next(rule.passed for rule in verdict.rules if rule.name == "champion")

    middle = (low + high) / 2
    one, other = passes(middle, low, high), passes(-middle, -high, -low)
    assert not (one and other)  # only equal models both pass
    assert passes(0.0, 0.0, 0.0)


@few
@given(evidences, rules)
def test_the_verdict_follows_from_its_rules_and_can_be_written(evidence, gate):
    verdict = decide(evidence, gate)

    assert verdict.accepted is all(rule.passed for rule in verdict.rules)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
    for rule in verdict.rules:
        assert rule.passed or rule.detail in verdict.reason
    assert len({rule.name for rule in verdict.rules}) >= 3
