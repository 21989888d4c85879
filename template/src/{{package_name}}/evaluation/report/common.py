"""What the page says of every model: the verdict, the metrics, the curves and the facts."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ...gate import number
from ..metrics import METRICS
from ..plots.curves import learning_curve
from .page import Html, section, table


def verdict(record: Mapping[str, Any]) -> str:
    """Accepted or rejected, why, and every rule with its numbers."""
    word = "accepted" if record["accepted"] else "rejected"
    rows = [
        (
            rule["rule"],
            rule["detail"],
            Html('<span class="pass">✓ pass</span>')
            if rule["passed"]
            else Html('<span class="fail">✗ fail</span>'),
        )
        for rule in record["rules"]
    ]
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
        f"{table(('Rule', 'Measured', 'Result'), rows)}"
        f'<p class="note">{escape(against)}</p></section>'
    )


def metrics(values: Mapping[str, float], champion: Mapping[str, Any] | None) -> str:
    """The metrics, beside those of a champion that could be measured."""
    head, others = ["Metric", "This model"], (champion or {}).get("metrics") or {}
    if champion and others:
        head += [f"Champion (version {champion['version']})", "Change"]
    rows = []
    for name, value in values.items():
        row = [METRICS[name].title if name in METRICS else name, _number(value)]
        if others:
            other = others.get(name)
            row += ["–", "–"] if other is None else [_number(other), _change(name, value, other)]
        rows.append(row)
    return section("Metrics", table(head, rows, kind="metrics", numbers=range(1, len(head))))


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
