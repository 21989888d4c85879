"""The evaluation as one HTML page: no script, no request, readable offline and on paper."""

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import plots
from .metrics import METRICS, class_scores, confusion_matrix, problem, reliability

MISTAKES = 24  # shown at most
CONFUSIONS = 10
CLASS_BARS = 20


def write_report(
    path: Path,
    *,
    title: str,
    verdict: Mapping[str, Any],
    metrics: Mapping[str, float],
    champion_metrics: Mapping[str, float] | None,
    history: Mapping[str, Sequence[float]],
    labels: NDArray[Any],
    probabilities: NDArray[Any],
    classes: Sequence[str],
    images: NDArray[Any] | None,
    facts: Mapping[str, str],
) -> None:
    """Write the page to `path`.

    `verdict` is the content of verdict.json: accepted, rules, champion, reason. `history` holds
    one value per epoch under names such as loss and val_loss, and may be empty. `labels` (n,)
    and `probabilities` (n, classes) are the test set's; predictions that cannot be scored are
    said so instead of drawn. `images` is indexed by row: uint8, (h, w) or (h, w, channels).
    """
    sections = [
        _verdict(verdict),
        _metrics(metrics, champion_metrics, verdict.get("champion")),
        *_learning_curves(history),
    ]
    if reason := problem(labels, probabilities):
        sections.append(_section("Predictions", f"<p>Nothing to draw: {escape(reason)}.</p>"))
    else:
        matrix = confusion_matrix(labels, probabilities)
        sections += [
            _confusion(matrix, classes),
            _classes(matrix, classes),
            _reliability(labels, probabilities),
            _mistakes(labels, probabilities, classes, images),
        ]
    sections.append(_facts(facts))
    page = Template(files(__package__).joinpath("report.html").read_text(encoding="utf-8"))
    path.write_text(
        page.substitute(
            title=escape(title),
            verdict="accepted" if verdict["accepted"] else "rejected",
            sections="\n".join(sections),
        ),
        encoding="utf-8",
    )


def _verdict(verdict: Mapping[str, Any]) -> str:
    word = "accepted" if verdict["accepted"] else "rejected"
    rows = [
        (
            rule["rule"],
            rule["detail"],
            _Html('<span class="pass">✓ pass</span>')
            if rule["passed"]
            else _Html('<span class="fail">✗ fail</span>'),
        )
        for rule in verdict["rules"]
    ]
    champion = verdict.get("champion")
    against = "There was no champion to compare with."
    if champion:
        measured = bool(champion["metrics"])
        against = f"Champion version {champion['version']} " + (
            "was measured on the same test set." if measured else "could not be measured."
        )
    return (
        f'<section class="verdict {word}"><h2>{word.capitalize()}</h2>'
        f"<p>{escape(str(verdict['reason']))}</p>"
        f"{_table(('Rule', 'Measured', 'Result'), rows)}"
        f'<p class="note">{escape(against)}</p></section>'
    )


def _metrics(
    metrics: Mapping[str, float],
    champion_metrics: Mapping[str, float] | None,
    champion: Mapping[str, Any] | None,
) -> str:
    head = ["Metric", "This model"]
    if champion_metrics is not None:
        head += [f"Champion (version {champion['version']})" if champion else "Champion", "Change"]
    rows = []
    for name, value in metrics.items():
        row = [METRICS[name].title if name in METRICS else name, _number(value)]
        if champion_metrics is not None:
            other = champion_metrics.get(name)
            row += ["–", "–"] if other is None else [_number(other), _change(name, value, other)]
        rows.append(row)
    return _section("Metrics", _table(head, rows, kind="metrics", numbers=True))


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "not computable"


def _change(name: str, value: float, other: float) -> str:
    change = value - other
    if not math.isfinite(change):
        return "–"
    text = f"{change:+.4f}".replace("-", "−")
    if name not in METRICS or abs(change) < 0.00005:
        return text
    word = "better" if (change > 0) == METRICS[name].higher_is_better else "worse"
    return _Html(f'<span class="{word}">{text} {word}</span>')


def _learning_curves(history: Mapping[str, Sequence[float]]) -> list[str]:
    pictures = []
    for name in dict.fromkeys(key.removeprefix("val_") for key in history):
        curves = {"training": history.get(name), "validation": history.get(f"val_{name}")}
        drawn = {label: values for label, values in curves.items() if values}
        if drawn:
            title = METRICS[name].title if name in METRICS else name.replace("_", " ").capitalize()
            picture = plots.learning_curve(name, drawn)
            pictures.append(f"<figure><figcaption>{escape(title)}</figcaption>{picture}</figure>")
    if not pictures:
        return []
    return [_section("Learning curves", f'<div class="curves">{"".join(pictures)}</div>')]


def _confusion(matrix: NDArray[np.int64], classes: Sequence[str]) -> str:
    if len(classes) > plots.NUMBERED_CLASSES:
        return _section("Confusion matrix", plots.confusion_image(matrix), half=True) + _section(
            "Biggest confusions", _confusions(matrix, classes), half=True
        )
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    long = ' class="long"' if max(map(len, classes)) > 4 else ""
    head = "".join(f'<th scope="col"{long}><span>{escape(name)}</span></th>' for name in classes)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(_cell(matrix[i, j], shares[i, j], i == j) for j in range(len(classes)))
        + "</tr>"
        for i, name in enumerate(classes)
    )
    return _section(
        "Confusion matrix",
        '<p class="note">Rows are the true classes, columns the predicted ones: '
        "the count, and its share of the row.</p>"
        '<div class="scroll"><table class="matrix"><thead>'
        f'<tr><td></td><th class="axis" colspan="{len(classes)}">predicted</th></tr>'
        f'<tr><th class="axis" scope="col">true</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>",
    )


def _cell(count: int, share: float, hit: bool) -> str:
    if not count:
        return '<td class="none">0</td>'
    shade = share if hit else min(1.0, 0.15 + 0.85 * math.sqrt(share))
    dense = " dense" if shade > 0.6 else ""
    return (
        f'<td class="{"hit" if hit else "miss"}{dense}" style="--share:{shade:.2f}">'
        f"{count}<small>{escape(_share(share))}</small></td>"
    )


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "<1%"


def _confusions(matrix: NDArray[np.int64], classes: Sequence[str]) -> str:
    errors = matrix.copy()
    np.fill_diagonal(errors, 0)
    order = np.argsort(-errors, axis=None, kind="stable")[:CONFUSIONS]
    rows = []
    for i, j in (divmod(int(place), len(classes)) for place in order):
        if errors[i, j]:
            share = errors[i, j] / matrix[i].sum()
            rows.append((classes[i], classes[j], f"{errors[i, j]}", _share(share)))
    return _table(("True class", "Predicted", "Rows", "Of the class"), rows)


def _classes(matrix: NDArray[np.int64], classes: Sequence[str]) -> str:
    scores = class_scores(matrix)
    title = "Each class"
    shown = list(range(len(classes)))
    if len(classes) > CLASS_BARS:
        title = f"The {CLASS_BARS} classes with the lowest F1"
        shown = np.argsort(scores.f1, kind="stable")[:CLASS_BARS].tolist()
    picture = plots.class_bars(
        [classes[k] for k in shown], type(scores)(*(values[shown] for values in scores))
    )
    return _section(title, picture, half=True)


def _reliability(labels: NDArray[Any], probabilities: NDArray[Any]) -> str:
    return _section(
        "Can its probabilities be trusted?",
        plots.reliability_diagram(reliability(labels, probabilities))
        + '<p class="note">Below the diagonal the model is surer than it should be; '
        "above it, less sure.</p>",
        half=True,
    )


def _mistakes(
    labels: NDArray[Any],
    probabilities: NDArray[Any],
    classes: Sequence[str],
    images: NDArray[Any] | None,
) -> str:
    if images is None:
        return ""
    predictions = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(predictions != labels)
    if not len(wrong):
        return _section("Mistakes", f"<p>None in {len(labels)} rows.</p>")
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    brightest = max(float(np.max(images[int(row)])) for row in worst)
    items = []
    for row in worst:
        true, predicted = escape(classes[labels[row]]), escape(classes[predictions[row]])
        data = b64encode(plots.image_png(images[int(row)], brightest)).decode()
        items.append(
            f'<li><img alt="Test image {row}: a {true} taken for {predicted}" '
            f'src="data:image/png;base64,{data}">'
            f"<b>{predicted}</b> {confidence[row]:.0%}<br>"
            f'<span class="note">is {true} ({probabilities[row, labels[row]]:.0%})</span></li>'
        )
    return _section(
        "Worst mistakes",
        f'<p class="note">{len(wrong)} of {len(labels)} rows are wrong; the most confident first. '
        "In bold what the model said, below it the truth and the probability it was given.</p>"
        f'<ul class="gallery">{"".join(items)}</ul>',
    )


def _facts(facts: Mapping[str, str]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th><td>{escape(str(value))}</td></tr>'
        for name, value in facts.items()
    )
    return _section("Facts", f'<table class="facts"><tbody>{rows}</tbody></table>')


class _Html(str):
    """Text that is HTML already, and not to be escaped again."""


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, kind: str = "", numbers: bool = False
) -> str:
    """A table whose first column names its rows; with `numbers` the others are set to the right."""
    side = ' class="number"' if numbers else ""
    columns = "".join(
        f'<th scope="col"{side if place else ""}>{escape(name)}</th>'
        for place, name in enumerate(head)
    )
    body = "".join(
        f'<tr><th scope="row">{_text(name)}</th>'
        + "".join(f"<td{side}>{_text(value)}</td>" for value in values)
        + "</tr>"
        for name, *values in rows
    )
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{columns}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _text(value: str) -> str:
    return value if isinstance(value, _Html) else escape(str(value))


def _section(title: str, body: str, *, half: bool = False) -> str:
    kind = ' class="half"' if half else ""
    return f"<section{kind}><h2>{escape(title)}</h2>{body}</section>"
