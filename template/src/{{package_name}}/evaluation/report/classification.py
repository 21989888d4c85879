"""What the page says of a classifier: where it is wrong, and how sure it is of that."""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.classification import class_scores, confusion_matrix, reliability
from ..plots import classification as plots
from .mistakes import PICTURES, Column, ReadRows, as_gallery, as_table, images_of
from .page import section, shortened, table

FEW_CLASSES = 4
CONFUSIONS = 10
CLASS_BARS = 20


def sections(
    labels: NDArray[Any],
    probabilities: NDArray[Any],
    classes: Sequence[str],
    read_rows: ReadRows,
) -> list[str]:
    """The sections of `labels` (n,) and `probabilities` (n, classes) that can be scored."""
    matrix = confusion_matrix(labels, probabilities)
    few = len(classes) <= FEW_CLASSES
    confusion, scores = _confusion(matrix, classes), _classes(matrix, classes)
    trust = _reliability(labels, probabilities, "half tall" if few else "half")
    mistakes = _mistakes(labels, probabilities, classes, read_rows)
    # Few classes make two small pictures: both stand beside the tall one.
    order = (confusion, trust, scores) if few else (confusion, scores, trust)
    return [*order, mistakes]


def _confusion(matrix: NDArray[np.int64], classes: Sequence[str]) -> str:
    if len(classes) > plots.NUMBERED_CLASSES:
        return section("Confusion matrix", plots.confusion_image(matrix), "half") + section(
            "Biggest confusions", _confusions(matrix, classes), "half"
        )
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    upright = max(map(len, classes)) <= 4 or sum(map(len, classes)) <= 40
    long = "" if upright else ' class="long"'
    head = "".join(f'<th scope="col"{long}><span>{escape(name)}</span></th>' for name in classes)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(_cell(matrix[i, j], shares[i, j], i == j) for j in range(len(classes)))
        + "</tr>"
        for i, name in enumerate(classes)
    )
    return section(
        "Confusion matrix",
        '<p class="note">Rows are the true classes, columns the predicted ones: '
        "the count, and its share of the row.</p>"
        '<div class="scroll"><table class="matrix"><thead>'
        f'<tr><td></td><th class="axis" colspan="{len(classes)}">predicted</th></tr>'
        f'<tr><th class="axis" scope="col">true</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>",
        "half" if len(classes) <= FEW_CLASSES else "",
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
    return table(("True class", "Predicted", "Rows", "Of the class"), rows)


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
    return section(title, picture, "half")


def _reliability(labels: NDArray[Any], probabilities: NDArray[Any], kind: str) -> str:
    return section(
        "Can its probabilities be trusted?",
        plots.reliability_diagram(reliability(labels, probabilities))
        + '<p class="note">Below the diagonal the model is surer than it should be; '
        "above it, less sure.</p>",
        kind,
    )


def _mistakes(
    labels: NDArray[Any],
    probabilities: NDArray[Any],
    classes: Sequence[str],
    read_rows: ReadRows,
) -> str:
    predictions, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predictions != labels)
    if not len(wrong):
        return section("Mistakes", f"<p>None in {len(labels)} rows.</p>")
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:PICTURES]
    features = read_rows(worst)
    note = f"{len(wrong)} of {len(labels)} rows are wrong; the most confident first."
    truths = [classes[k] for k in labels[worst]]
    answers = [classes[k] for k in predictions[worst]]
    images = images_of(features)
    if images is None:
        columns = [
            Column("Truth", [shortened(name) for name in truths]),
            Column("Prediction", [shortened(name) for name in answers]),
            Column("Probability", [f"{share:.0%}" for share in confidence[worst]], True),
        ]
        return as_table(note, worst, columns, features)
    captions = [
        f"<b>{escape(answer)}</b> {confidence[row]:.0%}<br>"
        f'<span class="note">is {escape(truth)} ({probabilities[row, labels[row]]:.0%})</span>'
        for row, truth, answer in zip(worst, truths, answers, strict=True)
    ]
    words = [
        f"Test image {row}: a {truth} taken for {answer}"
        for row, truth, answer in zip(worst, truths, answers, strict=True)
    ]
    note += " In bold what the model said, below it the truth and the probability it was given."
    return as_gallery(note, images, words, captions)
