"""What verdict.json says, for every report: the rules, the metrics and those of the slices."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

from ...gate import number, result
from ..metrics import higher_is_better, title_of
from ..record import Record, RuleRecord
from .content import Block, Cell, Figure, Figures, Note, Section, Table


def sections(record: Record) -> list[Section]:
    """The first has the verdict as its title."""
    found = [_verdict(record), _metrics(record), _slices(record)]
    return [section for section in found if section.blocks]


def date(record: Record) -> str:
    """When the model was evaluated, to the minute; "–" in a record of release 0.4.0."""
    time = record.get("evaluated", "")
    return f"{time[:10]} {time[11:16]} UTC" if time else "–"


def _verdict(record: Record) -> Section:
    rules, champion = record["rules"], record.get("champion")
    failed = [rule for rule in rules if not rule["passed"]]
    passed = [rule for rule in rules if rule["passed"]]
    rows = [(rule["rule"], rule["detail"], _result(rule, record)) for rule in [*failed, *passed]]
    against = "There was no champion to compare with."
    if champion and champion["metrics"]:
        against = f"Compared with the champion, version {champion['version']}, on the same rows."
    elif champion:
        against = f"The champion, version {champion['version']}, could not be measured."
    # The reason names the failed rules, as the table does, unless it is another one.
    reason = f"{len(failed)} of {len(rules)} rules failed" if failed else record["reason"]
    reason = reason[:1].upper() + reason[1:]
    blocks: list[Block] = [f"{reason}. {against}", Table(("Rule", "Measured", "Result"), rows)]
    return Section("Accepted" if record["accepted"] else "Rejected", blocks + _gain(rules))


def _result(rule: RuleRecord, record: Record) -> str | Cell:
    text = result(rule, record)
    tone = TONES.get(text[0])
    return Cell(text, tone) if tone else text


TONES: Mapping[str, Literal["good", "bad"]] = {"✓": "good", "✗": "bad"}


def _gain(rules: Sequence[RuleRecord]) -> list[Block]:
    """The comparison with the champion as a plot, where there are numbers to draw."""
    for rule in rules:
        numbers = rule.get("numbers") or {}
        drawn = [numbers.get(name) for name in ("gain", "low", "high", "limit")]
        if rule.get("name") == "champion" and None not in drawn:
            alt = "The gain over the champion with its interval, and the limit"
            note = "The lower bound of the gain must not be below the limit: then the model is not "
            note += "worse than the champion by more than the margin."
            figure = Figure("Gain over the champion", alt, partial(_draw, drawn))
            return [Figures([figure]), Note(note)]
    return []


def _draw(gain: Sequence[float | None]) -> str:
    from . import plots  # Matplotlib: not for a report in Markdown

    return plots.svg("gain", plots.gain_interval, *gain)


def _metrics(record: Record) -> Section:
    champion, intervals = record.get("champion"), record.get("intervals") or {}
    others: Mapping[str, float] = champion["metrics"] if champion else {}
    baseline = record.get("baseline") or {}
    head = ["Metric", "This model"]
    blocks: list[Block] = []
    if intervals:
        confidence = record["confidence"]
        head.append(f"{2 * confidence - 1:.0%} interval")
        blocks.append(
            Note(
                f"With {confidence:.0%} confidence each metric lies above the lower bound of its "
                "interval, and likewise below the upper one."
            )
        )
    if champion and others:
        head += [f"Champion (version {champion['version']})", "Change"]
    head += ["Constant answer"] if baseline else []
    rows = []
    for name, value in record["metrics"].items():
        row: list[str | Cell] = [title_of(name)]
        row.append("not computable" if value is None else _number(value))
        if intervals:
            row.append(" to ".join(map(_number, intervals.get(name, ()))) or "–")
        if others:
            row += [_number(others.get(name)), _change(name, value, others.get(name))]
        if baseline:
            row.append(_number(baseline.get(name)))
        rows.append(row)
    table = Table(head, rows, range(1, len(head)))
    return Section("Metrics", [table, *blocks] if rows else [])


def _slices(record: Record) -> Section:
    """A row for each part of the test set that was measured for itself, the largest first."""
    slices = sorted(record.get("slices") or (), key=lambda part: -part["rows"])
    names = list(dict.fromkeys(name for part in slices for name in part["metrics"]))
    head = ["Slice", "Rows", *map(title_of, names)]
    rows = [
        [part["name"], str(part["rows"]), *(_number(part["metrics"].get(name)) for name in names)]
        for part in slices
    ]
    return Section("Slices", [Table(head, rows, range(1, len(head)))] if rows else [])


def _number(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else number(value).replace("-", "−")


def _change(name: str, value: float | None, other: float | None) -> str | Cell:
    if value is None or other is None:
        return "–"
    change = value - other
    text = ("−" if change < 0 else "+") + number(abs(change))
    if number(value) == number(other):
        return text
    better = (change > 0) == higher_is_better(name)
    return Cell(f"{text} {'better' if better else 'worse'}", "good" if better else "bad")
