"""What the page says of every model: the verdict, the metrics, the curves and the facts."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ...gate import number, result
from ..metrics import METRICS
from ..plots.curves import learning_curve
from ..plots.gain import gain_interval
from .page import Html, section, table


def verdict(record: Mapping[str, Any]) -> str:
    """Accepted or rejected, why, and every rule with its numbers."""
    word = "accepted" if record["accepted"] else "rejected"
    rows = []
    for rule in record["rules"]:
        said = result(rule, record)
        kind = {"✓": "pass", "✗": "fail"}.get(said[0], "note")
        rows.append((rule["rule"], rule["detail"], Html(f'<span class="{kind}">{said}</span>')))
    champion = record.get("champion")
    against = "There was no champion to compare with."
    if champion:
        measured = bool(champion["metrics"])
        against = f"Champion version {champion['version']} " + (
            "was measured on the same test set." if measured else "could not be measured."
        )
    return (
        f'<section class="verdict {word}"><h2>{word.capitalize()}</h2>'
        f"<p>{escape(str(record['reason']))}</p>"
        f"{table(('Rule', 'Measured', 'Result'), rows)}{_gain(record['rules'])}"
        f'<p class="note">{escape(against)}</p></section>'
    )


def _gain(rules: Sequence[Mapping[str, Any]]) -> str:
    """The comparison with the champion as a picture, where there are numbers to draw."""
    for rule in rules:
        numbers = rule.get("numbers", {})
        drawn = [numbers.get(name) for name in ("gain", "low", "high", "limit")]
        if rule.get("name") == "champion" and None not in drawn:
            return gain_interval(*drawn)
    return ""


def metrics(values: Mapping[str, float], record: Mapping[str, Any]) -> str:
    """The metrics with their intervals, beside a champion's and those of a constant answer."""
    champion, head = record.get("champion") or {}, ["Metric", "This model"]
    others, intervals = champion.get("metrics") or {}, record.get("intervals") or {}
    baseline = record.get("baseline") or {}
    head += ["Between"] if intervals else []
    head += [f"Champion (version {champion['version']})", "Change"] if others else []
    head += ["Constant answer"] if baseline else []
    rows = []
    for name, value in values.items():
        row = [METRICS[name].title if name in METRICS else name, _number(value)]
        if intervals:
            row.append(" and ".join(map(_number, intervals[name])) if name in intervals else "–")
        if others:
            other = others.get(name)
            row += ["–", "–"] if other is None else [_number(other), _change(name, value, other)]
        if baseline:
            row.append(_number(baseline[name]) if name in baseline else "–")
        rows.append(row)
    note = ""
    if intervals:
        sure = f"{record['confidence']:.0%}"
        note = f'<p class="note">With a confidence of {sure} the metric is above the lower bound, '
        note += "and with the same below the upper one.</p>"
    shown = table(head, rows, kind="metrics", numbers=range(1, len(head)))
    return section("Metrics", shown + note)


def slices(found: Sequence[Mapping[str, Any]]) -> str:
    """The metrics of each slice, the smallest slice last; nothing where none were asked for."""
    if not found:
        return ""
    names = list(dict.fromkeys(name for each in found for name in each["metrics"]))
    rows = [
        [
            each["name"],
            str(each["rows"]),
            *(_number(each["metrics"][n]) if n in each["metrics"] else "–" for n in names),
        ]
        for each in sorted(found, key=lambda each: -each["rows"])
    ]
    head = ["Slice", "Rows", *(METRICS[n].title if n in METRICS else n for n in names)]
    return section("Slices", table(head, rows, numbers=range(1, len(head))))


def _number(value: float) -> str:
    return number(value).replace("-", "−") if math.isfinite(value) else "not computable"


def _change(name: str, value: float, other: float) -> str:
    change = value - other
    if not math.isfinite(change):
        return "–"
    text = ("−" if change < 0 else "+") + number(abs(change))
    if name not in METRICS or number(value) == number(other):
        return text
    word = "better" if (change > 0) == METRICS[name].higher_is_better else "worse"
    return Html(f'<span class="{word}">{text} {word}</span>')


def learning_curves(history: Mapping[str, Sequence[float]]) -> str:
    """Each quantity that was watched in training, by epoch; nothing where none was."""
    pictures = []
    for name in dict.fromkeys(key.removeprefix("val_") for key in history):
        curves = {"training": history.get(name), "validation": history.get(f"val_{name}")}
        drawn = {label: values for label, values in curves.items() if values}
        if drawn:
            title = METRICS[name].title if name in METRICS else name.replace("_", " ").capitalize()
            picture = learning_curve(name, drawn)
            pictures.append(f"<figure><figcaption>{escape(title)}</figcaption>{picture}</figure>")
    if not pictures:
        return ""
    return section("Learning curves", f'<div class="curves">{"".join(pictures)}</div>')


def facts(values: Mapping[str, str]) -> str:
    """Where the data, the code and the model came from."""
    rows = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th><td>{escape(str(value))}</td></tr>'
        for name, value in values.items()
    )
    return section("Facts", f'<table class="facts"><tbody>{rows}</tbody></table>')
