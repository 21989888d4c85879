"""The gate: metrics, floors and the champion give a verdict. Pure, and closed when in doubt."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

# Metrics of which less is better, by their names in `evaluation.metrics`.
LOWER_IS_BETTER = frozenset({"log_loss", "calibration_error", "rmse", "mae"})


@dataclass(frozen=True)
class Champion:
    """The model in service, measured on the challenger's test rows.

    `error` says why it could not be measured; then `metrics` is empty and the gate stays closed.
    """

    version: str
    metrics: Mapping[str, float]
    error: str = ""


@dataclass(frozen=True)
class Outcome:
    """One rule and how it ended, in words: `rule` is what was asked, `detail` what was found."""

    rule: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Verdict:
    """Accepted only when every rule passed; `reason` is one line for people."""

    accepted: bool
    reason: str
    rules: tuple[Outcome, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def decide(
    metrics: Mapping[str, float],
    *,
    rows: int,
    floors: Mapping[str, float],
    metric: str,
    margin: float,
    champion: Champion | None,
) -> Verdict:
    """Judge a challenger measured on `rows` test rows.

    It must reach every floor, and not be worse than the champion by more than `margin` in `metric`.
    `metrics` holds every metric of the task, NaN where it cannot be computed. A non-finite number,
    a metric that the task does not have, no test rows or an unmeasured champion reject.
    """
    rules = [Outcome("the test set has rows", rows > 0, str(rows))]
    rules += [_floor(name, metrics, limit) for name, limit in floors.items()]
    rules.append(_against(champion, metric, margin, metrics))
    failed = [f"{rule.rule}: {rule.detail}" for rule in rules if not rule.passed]
    reason = "; ".join(failed) if failed else "every rule passed"
    return Verdict(not failed, reason, tuple(rules))


def number(value: float) -> str:
    """A metric for people: four decimals, one of large numbers, two digits of tiny ones."""
    if 0 < abs(value) < 0.001:
        return f"{value:.2g}"
    return f"{value:.1f}" if abs(value) >= 1000 else f"{value:.4f}"


def _floor(name: str, metrics: Mapping[str, float], limit: float) -> Outcome:
    lower = name in LOWER_IS_BETTER
    rule = f"{name} {'≤' if lower else '≥'} {limit:g}"
    if name not in metrics:
        return Outcome(rule, False, _unknown(metrics))
    value = metrics[name]
    # A comparison with NaN is false, so NaN fails on either side.
    passed = math.isfinite(value) and (value <= limit if lower else value >= limit)
    return Outcome(rule, passed, _show(name, value))


def _against(
    champion: Champion | None, metric: str, margin: float, metrics: Mapping[str, float]
) -> Outcome:
    if metric not in metrics:  # said of the first model, not when a second one comes
        return Outcome(f"{metric} not worse than the champion's", False, _unknown(metrics))
    if champion is None:
        return Outcome("not worse than the champion", True, "there is no champion yet")
    sign = "+" if metric in LOWER_IS_BETTER else "−"
    rule = f"{metric} not worse than version {champion.version}'s"
    rule += f" {sign} {margin:g}" if margin else ""
    if champion.error:
        return Outcome(rule, False, f"the champion cannot be measured: {champion.error}")
    new, old = metrics[metric], champion.metrics.get(metric, math.nan)
    gain = old - new if metric in LOWER_IS_BETTER else new - old
    detail = f"{_show(metric, new)} against {_show(metric, old)}"
    # Differences of decimals are off by an ulp: 0.97 - 0.98 is a little below -0.01.
    return Outcome(rule, math.isfinite(gain) and gain >= -margin - 1e-12, detail)


def _unknown(metrics: Mapping[str, float]) -> str:
    return f"there is no such metric; gate in config/ can name {', '.join(metrics) or 'none'}"


def _show(name: str, value: float) -> str:
    return number(value) if math.isfinite(value) else f"{name} is missing or not a number"
