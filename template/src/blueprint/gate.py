"""The gate: evidence and rules give a verdict. Pure, and closed when in doubt.

It measures nothing: `evaluation` gathers the evidence, and docs/gate.md explains the rules.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

# Metrics of which less is better, by their names in `evaluation.metrics`.
LOWER_IS_BETTER = frozenset({"log_loss", "calibration_error", "rmse", "mae"})
ULP = 1e-12  # differences of decimals are off by a little: 0.97 - 0.98 is below -0.01

# JSON has no NaN: such a number is null in verdict.json.
Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]


class Rules(BaseModel):
    """A part of the section `gate` in the configuration; every limit itself still passes."""

    model_config = ConfigDict(extra="forbid")


class Comparison(Rules):
    """`margin`, in the unit of `metric`, is what a model may surely not lose to the champion."""

    metric: str = "accuracy"
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95


class Slices(Rules):
    """Floors for each value of `columns` and each class, where it has `min_rows` rows or more."""

    columns: list[str] = []
    classes: bool = False
    min_rows: Annotated[int, Field(ge=1)] = 50
    floors: dict[str, float] = {}

    @model_validator(mode="after")
    def check_complete(self) -> "Slices":
        if bool(self.floors) != bool(self.columns or self.classes):
            raise ValueError("give floors, and columns or classes: true, to which they apply")
        return self


class Budgets(Rules):
    """What one prediction and the exported model may cost; None sets no limit."""

    latency_ms: Annotated[float, Field(gt=0)] | None = None
    size_mb: Annotated[float, Field(gt=0)] | None = None


class Gate(Rules):
    """What a model must reach to be registered and served; `overlap` is a share of the rows."""

    floors: dict[str, float] = {}
    baseline: bool = True
    champion: Comparison = Comparison()
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.0
    slices: Slices = Slices()
    budgets: Budgets = Budgets()


@dataclass(frozen=True)
class Gain:
    """By how much the challenger is better (> 0) than another model, whose metric is `other`.

    With the configured confidence it is above `low`, and with the same below `high`.
    """

    other: Number
    value: Number
    low: Number
    high: Number


@dataclass(frozen=True)
class McNemar:
    """Rows that only the challenger (`gained`) or only the champion (`lost`) classifies right; `p`
    is the chance of as many losses, or more, if both models were equally good."""

    gained: int
    lost: int
    p: Number


@dataclass(frozen=True)
class Champion:
    """The model in service, on the challenger's test rows; `error`: why it cannot be measured."""

    version: str
    metrics: Mapping[str, Number] = field(default_factory=dict)
    gain: Gain | None = None
    mcnemar: McNemar | None = None  # of a classification
    error: str = ""


@dataclass(frozen=True)
class Slice:
    """The challenger's metrics on some of the test rows, such as `city=Mainz`."""

    name: str
    rows: int
    metrics: Mapping[str, Number]


@dataclass(frozen=True)
class Evidence:
    """What was measured. NaN stands for what cannot be; `errors` say what makes the rest void.

    `overlapping` counts test rows that are also in the training set. `baseline` is the gain over a
    model that always gives the same answer.
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
    """One rule and how it ended, in words and in `numbers`.

    `name` is the same in every run: `champion`, `floor/accuracy`, `slice/city=Mainz/accuracy`.
    """

    name: str = ""
    rule: str = ""
    passed: bool = False
    detail: str = ""
    numbers: Mapping[str, Number] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """✓, ✗, or – where there was no champion to compare with, which is no pass to show."""
        if self.passed and self.name == "champion" and not self.numbers:
            return "–"
        return "✓" if self.passed else "✗"

    def __str__(self) -> str:
        return f"{self.rule}: {self.detail}"


class Verdict(BaseModel):
    """Accepted only when every rule passed; `reason` is one line for people."""

    accepted: bool
    reason: str
    rules: tuple[Outcome, ...]


def decide(evidence: Evidence, gate: Gate) -> Verdict:
    """Hold a challenger to every rule. What is missing or not a finite number rejects."""
    rules = tuple(_outcomes(evidence, gate))
    failed = [str(rule) for rule in rules if not rule.passed]
    reason = "; ".join(failed) or "every rule passed"
    return Verdict(accepted=not failed, reason=reason, rules=rules)


def number(value: float) -> str:
    """A metric for people: four decimals, one of large numbers, two digits of tiny ones."""
    if 0 < abs(value) < 0.001:
        return f"{value:.2g}"
    return f"{value:.1f}" if abs(value) >= 1000 else f"{value:.4f}"


def _outcomes(evidence: Evidence, gate: Gate) -> Iterator[Outcome]:
    rows, shared, most = evidence.rows, evidence.overlapping, gate.overlap * evidence.rows
    for error in evidence.errors:
        yield Outcome("evidence", "the evidence is sound", False, error)
    yield Outcome("rows", "the test set has rows", rows > 0, f"{rows}", {"value": rows})
    share = f"at most {gate.overlap:.2%} of the test rows were"
    rule = f"{share if gate.overlap else 'no test row was'} trained on"
    numbers = {"value": shared, "limit": most}
    yield Outcome("overlap", rule, 0 <= shared <= most, f"{shared} of {rows}", numbers)
    for name, limit in gate.floors.items():
        yield _floor(f"floor/{name}", name, evidence.metrics, limit)
    metric, champion = gate.champion.metric, evidence.champion
    if gate.baseline:
        rule, enough = f"{metric} better than a constant answer's", evidence.baseline.low > 0
        yield _gain("baseline", rule, metric, evidence, evidence.baseline, enough)
    yield _champion(evidence, gate.champion)
    if champion and champion.mcnemar:
        yield _mcnemar(champion.version, champion.mcnemar, rows, gate.champion)
    yield from _slices(evidence.slices, gate.slices)
    yield from _budget("latency", "ms", evidence.latency_ms, gate.budgets.latency_ms)
    yield from _budget("size", "MB", evidence.size_mb, gate.budgets.size_mb)


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


def _gain(
    key: str, rule: str, metric: str, evidence: Evidence, gain: Gain, enough: bool
) -> Outcome:
    if metric not in evidence.metrics:
        return Outcome(key, rule, False, _unknown(evidence.metrics))
    value = evidence.metrics[metric]
    numbers = {"value": value, "other": gain.other, "gain": gain.value}
    numbers |= {"low": gain.low, "high": gain.high}
    sound = all(map(math.isfinite, numbers.values()))
    detail = f"{_show(metric, value)} against {_show(metric, gain.other)}"
    if sound:
        detail += f", gain {_signed(gain.value)} [{_signed(gain.low)}, {_signed(gain.high)}]"
    return Outcome(key, rule, sound and enough, detail, numbers)


def _champion(evidence: Evidence, rules: Comparison) -> Outcome:
    metric, champion = rules.metric, evidence.champion
    value, rule = evidence.metrics.get(metric), f"{metric} not worse than the champion's"
    if value is None:  # told of the first model, not when a second one comes
        return Outcome("champion", rule, False, _unknown(evidence.metrics))
    if champion is None and math.isfinite(value):
        return Outcome("champion", "not compared", True, "no champion yet")
    if champion is None:  # no later model could be compared with it
        return Outcome("champion", rule, False, _show(metric, value))
    rule = f"{metric} not worse than version {champion.version}'s"
    if rules.margin:
        rule += f" {'+' if metric in LOWER_IS_BETTER else '−'} {rules.margin:g}"
    if champion.error or champion.gain is None:
        why = champion.error or "it was not compared"
        return Outcome("champion", rule, False, f"the champion cannot be measured: {why}")
    gain, limit = champion.gain, -rules.margin - ULP
    outcome = _gain("champion", rule, metric, evidence, gain, gain.low >= limit)
    detail = outcome.detail
    if not outcome.passed and gain.value >= limit:
        detail += f"; {evidence.rows} rows are too few to be sure"
    return replace(outcome, detail=detail, numbers={**outcome.numbers, "limit": -rules.margin})


def _mcnemar(version: str, test: McNemar, rows: int, rules: Comparison) -> Outcome:
    """Significantly worse still passes within the margin, a share of the rows here: with many rows
    every difference is significant."""
    limit = 1 - rules.confidence
    within = test.lost - test.gained <= rules.margin * rows + ULP
    return Outcome(
        "mcnemar",
        f"no fewer right answers than version {version}",
        math.isfinite(test.p) and (test.p >= limit or within),
        f"p {number(test.p)} (only this one right: {test.gained}, only the champion: {test.lost})",
        {"p": test.p, "limit": limit, "gained": test.gained, "lost": test.lost},
    )


def _slices(slices: Sequence[Slice], rules: Slices) -> Iterator[Outcome]:
    large = [each for each in slices if each.rows >= rules.min_rows]
    if rules.floors and not large:
        most = max((each.rows for each in slices), default=0)
        rule = f"a slice has {rules.min_rows} rows"
        yield Outcome("slices", rule, False, f"the largest has {most}")
    for each in large:
        for name, limit in rules.floors.items():
            key, where = f"slice/{each.name}/{name}", f" where {each.name} ({each.rows} rows)"
            yield _floor(key, name, each.metrics, limit, where)


def _budget(name: str, unit: str, value: float, limit: float | None) -> Iterator[Outcome]:
    if limit is not None:
        detail = f"{value:.3g} {unit}" if math.isfinite(value) else "not measured"
        passed, numbers = math.isfinite(value) and value <= limit, {"value": value, "limit": limit}
        yield Outcome(name, f"{name} ≤ {limit:g} {unit}", passed, detail, numbers)


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{number(abs(value))}"


def _unknown(metrics: Mapping[str, float]) -> str:
    return f"there is no such metric; gate in config/ can name {', '.join(metrics) or 'none'}"


def _show(name: str, value: float) -> str:
    return number(value) if math.isfinite(value) else f"{name} is missing or not a number"
