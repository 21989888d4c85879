"""What the page shows of a classifier's predictions: how good they are where, and the mistakes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...text import shorten
from ..report import plots
from ..report.blocks import Block, Cell, Picture, Section, Table, figures, note
from ..report.tables import MOST, ReadRows, mistakes, width_of
from . import Array, confusion_matrix, reliability, roc_points, thin

CONFUSIONS = 10
PICTURES = 24
Z = 1.645  # of a 90% interval


def sections(
    labels: Array, probabilities: Array, classes: Sequence[str], read_rows: ReadRows
) -> list[Section]:
    """Scores of the classes, curves, calibration, and the most confident mistakes."""
    matrix = confusion_matrix(labels, probabilities)
    scores = _scores(labels, probabilities)
    order = np.argsort(scores[2], kind="stable")  # by F1, the lowest first
    return [
        *_classes(matrix, scores, order, classes),
        _probabilities(labels, probabilities, classes, order),
        _misclassified(labels, probabilities, classes, read_rows),
    ]


def _scores(labels: Array, probabilities: Array) -> tuple[Array, Array, Array]:
    """Precision, recall and F1 of each class, (classes,); NaN where there is nothing to divide."""
    from sklearn.metrics import precision_recall_fscore_support

    every, predicted = range(probabilities.shape[1]), probabilities.argmax(axis=1)
    scores = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=np.nan)
    return scores[0], scores[1], scores[2]


def _classes(
    matrix: Array, scores: tuple[Array, Array, Array], order: Array, classes: Sequence[str]
) -> list[Section]:
    few = len(classes) <= MOST
    title = "Classes" if few else f"The {MOST} classes with the lowest F1"
    rows = [
        [classes[k], str(matrix[k].sum()), *(_score(values[k]) for values in scores)]
        for k in (range(len(classes)) if few else order[:MOST])
    ]
    table = Table(("Class", "Rows", "Precision", "Recall", "F1"), rows, range(1, 5))
    scored = Section(title, [table], width_of(classes))
    if few:
        return [scored]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    how = note("Rows: true class. Columns: predicted class. Both by number.")
    picture = [figures(plots.pixels("", shares)), how]
    pairs = Section("Most frequent confusions", [_confusions(matrix, classes)], "half")
    return [Section("Confusion matrix", picture, "half"), pairs, scored]


def _score(value: float) -> str | Cell:
    return Cell(f"{value:.3f}", share=value) if np.isfinite(value) else "–"


def _confusions(matrix: Array, classes: Sequence[str]) -> Table:
    errors = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-errors, axis=None, kind="stable")[:CONFUSIONS]
    pairs = [divmod(int(place), len(classes)) for place in order]
    rows = [
        (classes[i], classes[j], str(errors[i, j]), f"{errors[i, j] / matrix[i].sum():.0%}")
        for i, j in pairs
        if errors[i, j]
    ]
    return Table(("True class", "Predicted", "Rows", "Of the class"), rows, (2, 3))


def _probabilities(
    labels: Array, probabilities: Array, classes: Sequence[str], order: Array
) -> Section:
    """ROC, precision–recall and calibration; of many classes those with the lowest F1."""
    shown = order[:MOST] if len(classes) > 2 else [1]
    known = [(classes[k], labels == k, probabilities[:, k]) for k in shown]
    known = [each for each in known if 0 < each[1].sum() < len(labels)]
    plotted, notes = _curves(known, len(classes) == 2) if known else [], []
    if known and len(classes) > 2:
        notes.append(f"Each class against all others; orange is {known[0][0]}, of the lowest F1.")
    notes.append(
        "Calibration: points below the diagonal are overconfident; a bar is the share of the rows "
        "in a bin, the number how many these are: a bin of few rows has a long interval."
    )
    plotted.append(_calibration(labels, probabilities))
    return Section("Probabilities", [figures(*plotted), note(" ".join(notes))])


def _curves(known: Sequence[tuple[str, Array, Array]], two: bool) -> list[plots.Figure]:
    """ROC and precision–recall curves; the first class stands out."""
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

    _, *first = known[0]
    area, average = roc_auc_score(*first), average_precision_score(*first)
    share = float(np.mean(first[0]))
    roc = [plots.line((0, 1), (0, 1), "muted dashed", "no skill")]
    recall = [plots.line((0, 1), (share, share), "muted dashed", "no skill")] if two else []
    for place, (name, *pair) in reversed(list(enumerate(known))):
        style = "blue" if two else "orange" if place == 0 else "blue faint"
        label = shorten(name, 16) if place == 0 else "others" if place == 1 else ""
        false, true, _ = roc_points(*pair)
        precision, recalled, _ = precision_recall_curve(*pair)
        roc.append(plots.line(false, true, style, label))
        recall.append(plots.line(thin(recalled), thin(precision), style, label))
    unit: Any = {"x": (-0.01, 1.01), "y": (-0.01, 1.03)}
    axes = ("false positive rate", "true positive rate")
    title = f"Precision–recall: average precision {average:.3f}"
    return [
        plots.chart(f"ROC: area {area:.3f}", axes, roc, **unit),
        plots.chart(title, ("recall", "precision"), recall, **unit),
    ]


def _calibration(labels: Array, probabilities: Array) -> plots.Figure:
    """Accuracy by confidence, with 90% intervals that are long where a bin has few rows."""
    bins = reliability(labels, probabilities)
    used = bins.rows > 0
    rows, sure, right = bins.rows[used], bins.confidence[used], bins.accuracy[used]
    # Wilson 1927, doi:10.1080/01621459.1927.10502953.
    middle = (right * rows + Z**2 / 2) / (rows + Z**2)
    half = Z / (rows + Z**2) * np.sqrt(right * (1 - right) * rows + Z**2 / 4)
    spans = [[(x, m - h), (x, m + h)] for x, m, h in zip(sure, middle, half, strict=True)]
    shares, first = bins.rows / len(labels), float(bins.edges[np.argmax(used)])
    edges = zip((bins.edges[:-1] + bins.edges[1:])[used] / 2, shares[used], rows, strict=True)
    marks = [
        plots.bars(bins.edges, shares, "green", "share of the rows"),
        plots.line((first, 1), (first, 1), "muted dashed", "perfect"),
        plots.Mark(spans, "blue wide faint"),
        plots.dots(sure, right, "blue big", "accuracy (90% interval)"),
    ]
    axes = ("probability of the predicted class", "accuracy")
    texts = [(x, share + 0.02, f"{count}") for x, share, count in edges]
    return plots.chart("Calibration", axes, marks, (first, 1), (-0.01, 1.08), texts)


def _misclassified(
    labels: Array, probabilities: Array, classes: Sequence[str], read_rows: ReadRows
) -> Section:
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    if not len(wrong):
        return Section("Mistakes", [f"None in {len(labels)} rows."])
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:PICTURES]
    features = read_rows(worst)
    how = f"{len(wrong)} of {len(labels)} rows are wrong; the most confident first."
    truths = [classes[k] for k in labels[worst]]
    answers = [classes[k] for k in predicted[worst]]
    images = next((values for values in features.values() if values.ndim in (3, 4)), None)
    if images is None:
        sure = [Cell(f"{share:.0%}") for share in confidence[worst]]
        columns = {"Truth": truths, "Prediction": answers, "Probability": sure}
        return mistakes(how, worst, columns, features)
    brightest = float(images.max())
    pictures = [
        Picture(
            plots.thumbnail(image, brightest),
            f"Test image {row}: a {truth} taken for {answer}",
            f"{answer} {confidence[row]:.0%}",
            f"is {truth} ({probabilities[row, labels[row]]:.0%})",
        )
        for image, row, truth, answer in zip(images, worst, truths, answers, strict=True)
    ]
    how += " In bold the prediction, below it the truth and the probability that it was given."
    return Section("Worst mistakes", [note(how), Block("gallery", shown=pictures)])
