"""The gate: evidence and rules give a verdict. Pure, and closed when in doubt.

It measures nothing: `evaluation` gathers the evidence, and docs/gate.md explains the rules.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

# Metrics of which less is better, by their names in `evaluation.metrics`.
LOWER_IS_BETTER = frozenset({"log_loss", "calibration_error", "rmse", "mae"})
ULP = 1e-12  # differences of decimals are off by a little: 0.97 - 0.98 is below -0.01


@dataclass(frozen=True)
class Rules:
    """What is asked of a model; every limit itself still passes.

    `margin` is in the unit of `metric`, `overlap` a share of the test rows. Slices of fewer than
    `slice_rows` rows are not judged. A budget that is None is not asked for.
    """

    metric: str
    margin: float
    confidence: float = 0.95
    floors: Mapping[str, float] = field(default_factory=dict)
    baseline: bool = True
    overlap: float = 0.0
    slice_floors: Mapping[str, float] = field(default_factory=dict)
    slice_rows: int = 50
    latency_ms: float | None = None
    size_mb: float | None = None


@dataclass(frozen=True)
class Gain:
    """How much better the challenger is than another model in `Rules.metric`, on the same rows.

    `other` is the other model's metric. `value` is positive where the challenger is better, also
    where less is better; with the rules' confidence it is above `low`, and with the same below
    `high`.
    """

    other: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class McNemar:
    """Rows that only the challenger (`gained`) or only the champion (`lost`) classifies right.

    `p` is the chance of as many losses, or more, if both models were equally good.
    """

    gained: int
    lost: int
    p: float


@dataclass(frozen=True)
class Champion:
    """The model in service, measured on the challenger's test rows.

    `error` says why it could not be measured. A regression has no `mcnemar`.
    """

    version: str
    gain: Gain | None = None
    mcnemar: McNemar | None = None
    error: str = ""


@dataclass(frozen=True)
class Slice:
    """The challenger's metrics on some of the test rows, such as `city=Mainz`."""

    name: str
    rows: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Evidence:
    """What was measured. NaN stands for what cannot be; `errors` say what makes the rest void.

    `metrics` holds every metric of the task. `overlapping` counts test rows that are also in the
    training set. `baseline` is the gain over a model that always gives the same answer.
    """

    metrics: Mapping[str, float]
    rows: int
    overlapping: int
    baseline: Gain
    champion: Champion | None
    latency_ms: float
    size_mb: float
    slices: Sequence[Slice] = ()
    errors: Sequence[str] = ()


@dataclass(frozen=True)
class Outcome:
    """One rule and how it ended: what was asked and what was found, in words and in `numbers`.

    `name` is the same in every run: `champion`, `floor/accuracy`, `slice/city=Mainz/accuracy`.
    """

    name: str
    rule: str
    passed: bool
    detail: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """Accepted only when every rule passed; `reason` is one line for people."""

    accepted: bool
    reason: str
    rules: tuple[Outcome, ...]

    def as_dict(self) -> dict[str, Any]:
        """The verdict for JSON, which has no NaN: such a number is None."""
        record = asdict(self)
        for rule in record["rules"]:
            rule["numbers"] = {
                name: value if math.isfinite(value) else None
                for name, value in rule["numbers"].items()
            }
        return record


def result(rule: Mapping[str, Any], verdict: Mapping[str, Any]) -> str:
    """How a rule in the content of verdict.json ended; without a champion, nothing was compared."""
    if rule.get("name") == "champion" and rule["passed"] and not verdict.get("champion"):
        return "– not compared"
    return "✓ pass" if rule["passed"] else "✗ fail"


def decide(evidence: Evidence, rules: Rules) -> Verdict:
    """Judge a challenger by every rule. What is missing or not a finite number rejects."""
    outcomes = tuple(_judge(evidence, rules))
    failed = [f"{outcome.rule}: {outcome.detail}" for outcome in outcomes if not outcome.passed]
    return Verdict(not failed, "; ".join(failed) or "every rule passed", outcomes)


def number(value: float) -> str:
    """A metric for people: four decimals, one of large numbers, two digits of tiny ones."""
    if 0 < abs(value) < 0.001:
        return f"{value:.2g}"
    return f"{value:.1f}" if abs(value) >= 1000 else f"{value:.4f}"


def _judge(evidence: Evidence, rules: Rules) -> Iterator[Outcome]:
    for error in evidence.errors:
        yield Outcome("evidence", "the evidence is sound", False, error)
    yield _rows(evidence)
    yield _overlap(evidence, rules)
    for name, limit in rules.floors.items():
        yield _floor(f"floor/{name}", name, evidence.metrics, limit)
    if rules.baseline:
        yield _baseline(evidence, rules)
    yield _not_worse(evidence, rules)
    if evidence.champion and evidence.champion.mcnemar:
        yield _mcnemar(evidence.champion.version, evidence.champion.mcnemar, evidence.rows, rules)
    yield from _slices(evidence, rules)
    for name, unit, value, budget in (
        ("latency", "ms", evidence.latency_ms, rules.latency_ms),
        ("size", "MB", evidence.size_mb, rules.size_mb),
    ):
        if budget is not None:
            yield _budget(name, unit, value, budget)


def _rows(evidence: Evidence) -> Outcome:
    rows = evidence.rows
    return Outcome("rows", "the test set has rows", rows > 0, f"{rows}", {"value": rows})


def _overlap(evidence: Evidence, rules: Rules) -> Outcome:
    found, rows = evidence.overlapping, evidence.rows
    allowed = f"at most {rules.overlap:.2%}" if rules.overlap else "none"
    return Outcome(
        "overlap",
        f"test rows that were trained on: {allowed}",
        0 <= found <= rules.overlap * rows,
        f"{found} of {rows}",
        {"value": found, "limit": rules.overlap * rows},
    )


def _floor(
    key: str, name: str, metrics: Mapping[str, float], limit: float, where: str = ""
) -> Outcome:
    lower = name in LOWER_IS_BETTER
    rule = f"{name} {'≤' if lower else '≥'} {limit:g}{where}"
    if name not in metrics:
        return Outcome(key, rule, False, _unknown(metrics))
    value = metrics[name]
    # A comparison with NaN is false, so NaN fails on either side.
    passed = math.isfinite(value) and (value <= limit if lower else value >= limit)
    return Outcome(key, rule, passed, _show(name, value), {"value": value, "limit": limit})


def _baseline(evidence: Evidence, rules: Rules) -> Outcome:
    metric, gain = rules.metric, evidence.baseline
    rule = f"{metric} better than a constant answer's"
    if metric not in evidence.metrics:
        return Outcome("baseline", rule, False, _unknown(evidence.metrics))
    value = evidence.metrics[metric]
    passed = _sound(value, gain) and gain.low > 0
    return Outcome("baseline", rule, passed, _compare(metric, value, gain), _numbers(value, gain))


def _not_worse(evidence: Evidence, rules: Rules) -> Outcome:
    metric, champion = rules.metric, evidence.champion
    if metric not in evidence.metrics:  # said of the first model, not when a second one comes
        rule = f"{metric} not worse than the champion's"
        return Outcome("champion", rule, False, _unknown(evidence.metrics))
    if champion is None:
        value, rule = evidence.metrics[metric], "not worse than the champion"
        if not math.isfinite(value):  # nobody could be compared with it
            return Outcome("champion", rule, False, _show(metric, value))
        return Outcome("champion", rule, True, "there is no champion yet")
    sign = "+" if metric in LOWER_IS_BETTER else "−"
    rule = f"{metric} not worse than version {champion.version}'s"
    rule += f" {sign} {rules.margin:g}" if rules.margin else ""
    if champion.error or champion.gain is None:
        why = champion.error or "it was not compared"
        return Outcome("champion", rule, False, f"the champion cannot be measured: {why}")
    value, gain, limit = evidence.metrics[metric], champion.gain, -rules.margin - ULP
    passed = _sound(value, gain) and gain.low >= limit
    detail = _compare(metric, value, gain)
    if not passed and gain.value >= limit:
        detail += f"; {evidence.rows} rows are too few to be sure"
    numbers = {**_numbers(value, gain), "limit": -rules.margin}
    return Outcome("champion", rule, passed, detail, numbers)


def _mcnemar(version: str, test: McNemar, rows: int, rules: Rules) -> Outcome:
    """Significantly worse is still accepted within the margin, a share of the rows here.

    With many rows every difference is significant.
    """
    within = test.lost - test.gained <= rules.margin * rows + ULP
    return Outcome(
        "mcnemar",
        f"no fewer right answers than version {version}",
        math.isfinite(test.p) and (test.p >= 1 - rules.confidence or within),
        f"p {number(test.p)} (only this one right: {test.gained}, only the champion: {test.lost})",
        {"p": test.p, "limit": 1 - rules.confidence, "gained": test.gained, "lost": test.lost},
    )


def _slices(evidence: Evidence, rules: Rules) -> Iterator[Outcome]:
    judged = [each for each in evidence.slices if each.rows >= rules.slice_rows]
    if rules.slice_floors and not judged:
        largest = max((each.rows for each in evidence.slices), default=0)
        rule = f"a slice of {rules.slice_rows} rows to judge"
        yield Outcome("slices", rule, False, f"the largest has {largest}")
    for each in judged:
        for name, limit in rules.slice_floors.items():
            key, where = f"slice/{each.name}/{name}", f" where {each.name} ({each.rows} rows)"
            yield _floor(key, name, each.metrics, limit, where)


def _budget(name: str, unit: str, value: float, limit: float) -> Outcome:
    passed = math.isfinite(value) and value <= limit
    detail = f"{value:.3g} {unit}" if math.isfinite(value) else "not measured"
    numbers = {"value": value, "limit": limit}
    return Outcome(name, f"{name} ≤ {limit:g} {unit}", passed, detail, numbers)


def _sound(value: float, gain: Gain) -> bool:
    numbers = (value, gain.other, gain.value, gain.low, gain.high)
    return all(math.isfinite(each) for each in numbers)


def _numbers(value: float, gain: Gain) -> dict[str, float]:
    return {
        "value": value,
        "other": gain.other,
        "gain": gain.value,
        "low": gain.low,
        "high": gain.high,
    }


def _compare(metric: str, value: float, gain: Gain) -> str:
    detail = f"{_show(metric, value)} against {_show(metric, gain.other)}"
    if not _sound(value, gain):
        return detail
    return f"{detail}, gain {_signed(gain.value)} [{_signed(gain.low)}, {_signed(gain.high)}]"


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{number(abs(value))}"


def _unknown(metrics: Mapping[str, float]) -> str:
    return f"there is no such metric; gate in config/ can name {', '.join(metrics) or 'none'}"


def _show(name: str, value: float) -> str:
    return number(value) if math.isfinite(value) else f"{name} is missing or not a number"
