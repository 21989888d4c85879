"""The gate: who gets through, who does not, and that doubt closes it."""

import json
import math
from dataclasses import replace

import pytest

from blueprint.evaluation.metrics import TITLES
from blueprint.gate import (
    LOWER_IS_BETTER,
    ULP,
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
    number,
)

RULES = Gate(champion=Comparison(metric="accuracy", margin=0.01), floors={"accuracy": 0.9})
BASELINE = Gain(0.5, 0.45, 0.4, 0.5)
CHAMPION = Champion("3", {}, Gain(0.95, 0.0, -0.005, 0.005), McNemar(4, 4, 0.6))
EVIDENCE = Evidence(
    metrics={"accuracy": 0.95, "log_loss": 0.2},
    rows=100,
    overlapping=0,
    baseline=BASELINE,
    champion=CHAMPION,
    latency_ms=2.0,
    size_mb=10.0,
)


def evaluate(gate=RULES, **changes):
    return decide(replace(EVIDENCE, **changes), gate)


def rules(**changes):
    """The rules with other values: of the gate itself, or of one of its parts."""
    budgets = {name: changes.pop(name) for name in Budgets.model_fields if name in changes}
    compared = {name: changes.pop(name) for name in Comparison.model_fields if name in changes}
    champion = RULES.champion.model_copy(update=compared)
    return RULES.model_copy(update={"champion": champion, "budgets": Budgets(**budgets), **changes})


def against(*gain, **changes):
    return replace(CHAMPION, gain=Gain(*gain), **changes)


def outcome(verdict, name):
    [found] = [rule for rule in verdict.rules if rule.name == name]
    return found


def test_as_good_as_the_champion_passes_every_rule():
    verdict = evaluate()

    assert verdict.accepted
    assert verdict.reason == "every rule passed"
    assert [(rule.name, rule.rule, rule.detail) for rule in verdict.rules] == [
        ("rows", "the test set has rows", "100"),
        ("overlap", "no test row was trained on", "0 of 100"),
        ("floor/accuracy", "accuracy ≥ 0.9", "0.9500"),
        (
            "baseline",
            "accuracy better than a constant answer's",
            "0.9500 against 0.5000, gain +0.4500 [+0.4000, +0.5000]",
        ),
        (
            "champion",
            "accuracy not worse than version 3's − 0.01",
            "0.9500 against 0.9500, gain +0.0000 [−0.0050, +0.0050]",
        ),
        (
            "mcnemar",
            "no fewer right answers than version 3",
            "p 0.6000 (only this one right: 4, only the champion: 4)",
        ),
    ]


def test_each_rule_has_its_numbers():
    budgets = rules(latency_ms=5, size_mb=50)

    numbers = {rule.name: rule.numbers for rule in evaluate(budgets).rules}

    gain = {"value": 0.95, "other": 0.95, "gain": 0.0, "low": -0.005, "high": 0.005}
    assert numbers == {
        "rows": {"value": 100},
        "overlap": {"value": 0, "limit": 0},
        "floor/accuracy": {"value": 0.95, "limit": 0.9},
        "baseline": {"value": 0.95, "other": 0.5, "gain": 0.45, "low": 0.4, "high": 0.5},
        "champion": gain | {"limit": -0.01},
        "mcnemar": {"p": 0.6, "limit": pytest.approx(0.05), "gained": 4, "lost": 4},
        "latency": {"value": 2.0, "limit": 5},
        "size": {"value": 10.0, "limit": 50},
    }


def test_a_verdict_is_json_without_nan():
    verdict = evaluate(latency_ms=math.nan, gate=rules(latency_ms=5))
    text = verdict.model_dump_json()

    assert json.loads(text)["rules"][-1] == {
        "name": "latency",
        "rule": "latency ≤ 5 ms",
        "passed": False,
        "detail": "not measured",
        "numbers": {"value": None, "limit": 5},
    }
    assert "NaN" not in text
    again = Verdict.model_validate_json(text)
    assert math.isnan(again.rules[-1].numbers["value"])
    assert again.rules[:-1] == verdict.rules[:-1]


def test_the_reason_names_every_failed_rule_with_its_numbers():
    verdict = evaluate(metrics={"accuracy": 0.85}, overlapping=2)

    assert not verdict.accepted
    assert verdict.reason == ("no test row was trained on: 2 of 100; accuracy ≥ 0.9: 0.8500")


def test_errors_of_the_evidence_reject():
    verdict = evaluate(errors=["the model was trained on other data"])

    assert verdict.reason == "the evidence is sound: the model was trained on other data"
    assert verdict.rules[0].name == "evidence"


# The test rows


@pytest.mark.parametrize(("rows", "accepted"), [(1, True), (0, False), (-1, False)])
def test_a_test_set_has_rows(rows, accepted):
    assert outcome(evaluate(rows=rows), "rows").passed is accepted
    assert evaluate(rows=rows, overlapping=0, champion=None).accepted is accepted


@pytest.mark.parametrize(
    ("overlapping", "allowed", "accepted"),
    [(0, 0, True), (1, 0, False), (5, 0.05, True), (6, 0.05, False), (-1, 0.05, False)],
)
def test_rows_that_were_trained_on_reject_beyond_the_allowed_share(overlapping, allowed, accepted):
    verdict = evaluate(rules(overlap=allowed), overlapping=overlapping)

    assert verdict.accepted is accepted
    assert outcome(verdict, "overlap").numbers["limit"] == pytest.approx(allowed * 100)


def test_an_allowed_overlap_is_said():
    rule = outcome(evaluate(rules(overlap=0.05)), "overlap")

    assert rule.rule == "at most 5.00% of the test rows were trained on"


# Floors


@pytest.mark.parametrize(("value", "accepted"), [(0.9, True), (0.8999, False), (0.99, True)])
def test_a_floor_is_reached_or_not(value, accepted):
    assert evaluate(metrics={"accuracy": value}).accepted is accepted


@pytest.mark.parametrize(("value", "accepted"), [(0.3, True), (0.3001, False), (0.1, True)])
@pytest.mark.parametrize("metric", sorted(LOWER_IS_BETTER))
def test_a_floor_is_a_ceiling_where_less_is_better(metric, value, accepted):
    verdict = evaluate(rules(floors={metric: 0.3}), metrics={"accuracy": 0.95, metric: value})

    assert verdict.accepted is accepted
    assert outcome(verdict, f"floor/{metric}").rule == f"{metric} ≤ 0.3"


def test_every_floor_counts():
    assert not evaluate(rules(floors={"accuracy": 0.9, "log_loss": 0.1})).accepted
    assert not evaluate(rules(floors={"log_loss": 0.1, "accuracy": 0.9})).accepted


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_a_floor_is_not_reached_by_what_is_no_number(metric, value):
    verdict = evaluate(rules(floors={metric: 0.5}), metrics=EVIDENCE.metrics | {metric: value})

    assert not outcome(verdict, f"floor/{metric}").passed
    assert f"{metric} is missing or not a number" in verdict.reason


def test_a_metric_that_the_task_does_not_have_rejects_the_first_model_too():
    known = "there is no such metric; gate in config/ can name accuracy, log_loss"
    floors = evaluate(rules(floors={"recall": 0.5}), champion=None)
    compared = evaluate(rules(metric="recall", floors={}), champion=None)

    assert outcome(floors, "floor/recall").passed is False
    assert outcome(compared, "baseline").passed is False
    assert outcome(compared, "champion").passed is False
    assert floors.reason == f"recall ≥ 0.5: {known}"
    assert compared.reason == (
        f"recall better than a constant answer's: {known}; "
        f"recall not worse than the champion's: {known}"
    )
    assert "can name none" in evaluate(metrics={}, champion=None).reason
    assert not evaluate(metrics={}, gate=rules(baseline=False, floors={}), champion=None).accepted


# A constant answer


@pytest.mark.parametrize(("low", "accepted"), [(0.001, True), (0.0, False), (-0.001, False)])
def test_a_model_is_surely_better_than_a_constant_answer(low, accepted):
    verdict = evaluate(baseline=replace(BASELINE, low=low))

    assert verdict.accepted is accepted
    assert outcome(verdict, "baseline").passed is accepted
    assert evaluate(rules(baseline=False), baseline=replace(BASELINE, low=low)).accepted


# The champion


def test_the_first_model_has_no_champion_to_beat():
    verdict = evaluate(champion=None)

    assert verdict.accepted
    assert str(outcome(verdict, "champion")) == "not compared: no champion yet"
    assert outcome(verdict, "champion").mark == "–", "what was not compared has not passed"
    assert outcome(verdict, "rows").mark == outcome(evaluate(), "champion").mark == "✓"
    assert outcome(evaluate(rows=0), "rows").mark == "✗"
    unknown = evaluate(champion=None, metrics={"accuracy": math.nan})
    assert outcome(unknown, "champion").mark == "✗"


@pytest.mark.parametrize(
    ("low", "accepted"), [(0.97 - 0.98, True), (-0.0101, False), (-0.01, True), (0.2, True)]
)
def test_the_margin_is_what_surely_is_not_lost(low, accepted):
    verdict = evaluate(champion=against(0.95, 0.0, low, 0.3))

    assert verdict.accepted is accepted
    assert outcome(verdict, "champion").passed is accepted


def test_a_rounding_error_beyond_the_margin_is_none():
    at = -0.01 - ULP
    allowed = 2 - ULP  # rows that may be lost, of 100

    assert evaluate(champion=against(0.95, at, at, 0.0)).accepted
    assert "too few" in evaluate(champion=against(0.95, at, at - ULP, 0.0)).reason
    assert allowed / 100 * 100 + ULP == 2
    lost = replace(CHAMPION, mcnemar=McNemar(0, 2, 0.01))
    assert outcome(evaluate(rules(margin=allowed / 100), champion=lost), "mcnemar").passed


def test_few_rows_are_the_reason_when_only_the_bound_fails():
    unsure = evaluate(champion=against(0.95, -0.01, -0.02, 0.02))
    worse = evaluate(champion=against(0.97, -0.02, -0.03, -0.01))

    assert unsure.reason == (
        "accuracy not worse than version 3's − 0.01: 0.9500 against 0.9500, "
        "gain −0.0100 [−0.0200, +0.0200]; 100 rows are too few to be sure"
    )
    assert worse.reason == (
        "accuracy not worse than version 3's − 0.01: 0.9500 against 0.9700, "
        "gain −0.0200 [−0.0300, −0.0100]"
    )
    assert "too few" not in outcome(evaluate(), "champion").detail


def test_where_less_is_better_the_margin_is_added():
    metrics = {"rmse": 54.0, "r2": 0.4}
    champion = Champion("3", {}, Gain(55.0, 1.0, -0.5, 2.5))

    gate = rules(metric="rmse", margin=1.0, floors={"rmse": 60.0})
    verdict = evaluate(gate, metrics=metrics, champion=champion)

    assert verdict.accepted
    assert outcome(verdict, "champion").rule == "rmse not worse than version 3's + 1"
    assert "mcnemar" not in [rule.name for rule in verdict.rules]


def test_without_a_margin_the_rule_is_short():
    champion = against(0.95, 0.0, 0.0, 0.0)

    assert evaluate(rules(margin=0.0), champion=champion).accepted
    assert (
        outcome(evaluate(rules(margin=0.0)), "champion").rule
        == "accuracy not worse than version 3's"
    )


@pytest.mark.parametrize(
    ("champion", "why"),
    [
        (Champion("3", error="model.onnx is truncated"), "model.onnx is truncated"),
        (replace(CHAMPION, error="model.onnx is truncated"), "model.onnx is truncated"),
        (Champion("3"), "it was not compared"),
    ],
)
def test_a_champion_that_cannot_be_measured_rejects(champion, why):
    verdict = evaluate(champion=champion)

    assert not verdict.accepted
    assert not outcome(verdict, "champion").passed
    assert f"3's − 0.01: the champion cannot be measured: {why}" in verdict.reason


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", range(4))
def test_a_comparison_with_what_is_no_number_rejects(place, value):
    numbers = [0.95, 0.0, -0.005, 0.005]
    numbers[place] = value

    champion = evaluate(champion=against(*numbers))
    baseline = evaluate(baseline=Gain(*[n + 1 if n == n else n for n in numbers]))

    assert not outcome(champion, "champion").passed
    assert not outcome(baseline, "baseline").passed
    assert "[" not in outcome(champion, "champion").detail
    if place == 0:
        missing = "0.9500 against accuracy is missing or not a number"
        assert outcome(champion, "champion").detail.startswith(missing)
        assert outcome(baseline, "baseline").detail == missing


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_no_number_loses_every_comparison(value):
    verdict = evaluate(rules(floors={}), metrics={"accuracy": value})

    assert not outcome(verdict, "champion").passed
    assert not outcome(verdict, "baseline").passed
    assert "accuracy is missing or not a number against 0.9500" in verdict.reason


# McNemar's test


@pytest.mark.parametrize(
    ("gained", "lost", "p", "accepted"),
    [
        (4, 4, 0.6, True),
        (0, 2, 0.04, False),  # two rows lost, and one allowed
        (0, 2, 0.06, True),
        (0, 1, 0.04, True),  # within the margin
        (1, 2, 0.04, True),
        (3, 5, 0.04, False),
        (0, 1, math.nan, False),
        (4, 4, math.inf, False),
    ],
)
def test_significantly_fewer_right_answers_reject_beyond_the_margin(gained, lost, p, accepted):
    verdict = evaluate(champion=replace(CHAMPION, mcnemar=McNemar(gained, lost, p)))

    assert verdict.accepted is accepted
    assert outcome(verdict, "mcnemar").passed is accepted


def test_the_limit_of_p_is_what_the_confidence_leaves():
    champion = replace(CHAMPION, mcnemar=McNemar(0, 9, 0.25))

    assert evaluate(rules(confidence=0.75), champion=champion).accepted
    assert not evaluate(rules(confidence=0.7), champion=champion).accepted


# Slices


def slices(**rows):
    return [Slice(f"city={name}", n, {"accuracy": a}) for name, (n, a) in rows.items()]


def test_each_slice_of_enough_rows_has_to_reach_the_floors():
    gate = rules(slices=Slices(classes=True, floors={"accuracy": 0.7}, min_rows=50))

    assert evaluate(gate, slices=slices(Mainz=(50, 0.7), Worms=(49, 0.1))).accepted
    verdict = evaluate(gate, slices=slices(Mainz=(50, 0.69), Worms=(50, 0.8), Trier=(99, 0.5)))

    assert verdict.reason == (
        "accuracy ≥ 0.7 where city=Mainz (50 rows): 0.6900; "
        "accuracy ≥ 0.7 where city=Trier (99 rows): 0.5000"
    )
    assert outcome(verdict, "slice/city=Worms/accuracy").passed


def test_slices_are_not_looked_at_without_floors():
    verdict = evaluate(slices=slices(Mainz=(50, 0.1)))

    assert verdict.accepted
    assert len(verdict.rules) == len(evaluate().rules)


@pytest.mark.parametrize(("found", "largest"), [({}, 0), ({"Mainz": (49, 1), "Worms": (3, 1)}, 49)])
def test_floors_that_no_slice_can_be_held_to_reject(found, largest):
    gate = rules(slices=Slices(columns=["city"], floors={"accuracy": 0.7}))
    verdict = evaluate(gate, slices=slices(**found))

    assert not verdict.accepted
    assert verdict.reason == f"a slice has 50 rows: the largest has {largest}"
    assert verdict.rules[-1].name == "slices"


# Budgets


@pytest.mark.parametrize(
    ("value", "accepted"), [(5.0, True), (5.1, False), (math.nan, False), (-math.inf, False)]
)
@pytest.mark.parametrize(("name", "key"), [("latency", "latency_ms"), ("size", "size_mb")])
def test_a_budget_is_kept_or_not(name, key, value, accepted):
    verdict = evaluate(rules(**{key: 5}), **{key: value})

    assert verdict.accepted is accepted
    assert outcome(verdict, name).passed is accepted
    assert evaluate(**{key: value}).accepted  # nobody asked


def test_a_budget_says_its_unit():
    verdict = evaluate(rules(latency_ms=0.5, size_mb=2.5), latency_ms=0.75, size_mb=12.3456)

    assert verdict.reason == "latency ≤ 0.5 ms: 0.75 ms; size ≤ 2.5 MB: 12.3 MB"


# What people read


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.975, "0.9750"),
        (0.0, "0.0000"),
        (48231.12, "48231.1"),
        (1000, "1000.0"),
        (999.99, "999.9900"),
        (-2.5, "-2.5000"),
        (-1234.5, "-1234.5"),
        (1e-5, "1e-05"),
        (-1e-5, "-1e-05"),
        (0.001, "0.0010"),
    ],
)
def test_numbers_for_people(value, text):
    assert number(value) == text


def test_the_gate_names_metrics_that_exist():
    assert {name for titles in TITLES.values() for name in titles} >= LOWER_IS_BETTER


def test_a_first_model_needs_the_compared_metric():
    verdict = evaluate(
        rules(floors={}, baseline=False), champion=None, metrics={"accuracy": math.nan}
    )

    assert verdict.reason == (
        "accuracy not worse than the champion's: accuracy is missing or not a number"
    )
