"""What the page says of the predictions: how good they are where, and the worst mistakes."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import Predictions, problem, title_of
from ..metrics.classification import (
    class_scores,
    confusion_matrix,
    precision_recall_points,
    reliability,
    roc_points,
)
from . import plots
from .content import (
    Block,
    Cell,
    Figure,
    Figures,
    Gallery,
    GalleryItem,
    Matrix,
    Note,
    Section,
    Table,
    Width,
    shorten,
)

# The features of the rows with these numbers (k,): arrays (k, *shape) by name.
ReadRows = Callable[[NDArray[np.int64]], Mapping[str, NDArray[Any]]]

FEW_CLASSES = 4
SHOWN_CLASSES = 20
CONFUSIONS = 10
PICTURES = 24
ROWS = 12  # of a table of mistakes
FEATURES = 8
FURTHEST = 2.0  # times the 99th percentile: residuals further off are left out of the histogram


def sections(predictions: Predictions, read_rows: ReadRows) -> list[Section]:
    """The sections of the test set's predictions, or one that says why they cannot be scored."""
    labels, outputs, classes = predictions
    if reason := problem(predictions):
        return [Section("Predictions", [f"Nothing to draw: {reason}."])]
    if not classes:
        return _regression(labels, outputs, read_rows)
    return [
        *_classes(confusion_matrix(labels, outputs), classes),
        _probabilities(labels, outputs, classes),
        _misclassified(labels, outputs, classes, read_rows),
    ]


def learning_curves(history: Mapping[str, Sequence[float]]) -> list[Section]:
    """Each quantity that was watched in training, by epoch; nothing where none was."""
    names = dict.fromkeys(key.removeprefix("val_") for key in history)
    drawn = {}
    for name in names:
        curves = {"training": history.get(name), "validation": history.get(f"val_{name}")}
        if found := {label: values for label, values in curves.items() if values}:
            drawn[name] = found
    width = plots.HALF if len(drawn) < 3 else plots.SMALL
    figures = [
        _figure(title_of(name), f"curve-{place}", plots.learning_curve, curves, name, width)
        for place, (name, curves) in enumerate(drawn.items())
    ]
    # One stands beside the parameters.
    width_of_section: Width = "half" if len(figures) == 1 else "full"
    return [Section("Learning curves", [Figures(figures)], width_of_section)] if figures else []


def _figure(title: str, name: str, draw: Callable[..., Any], *arguments: Any) -> Figure:
    return Figure(title, title, partial(plots.svg, name, draw, *arguments))


def _classes(matrix: NDArray[np.int64], classes: Sequence[str]) -> list[Section]:
    scores, shown, title = class_scores(matrix), list(range(len(classes))), "Classes"
    if len(classes) > SHOWN_CLASSES:
        title = f"The {SHOWN_CLASSES} classes with the lowest F1"
        shown = np.argsort(scores.f1, kind="stable")[:SHOWN_CLASSES].tolist()
    rows = [
        [classes[k], str(matrix[k].sum()), *(_score(values[k]) for values in scores)] for k in shown
    ]
    table = Table(("Class", "Rows", "Precision", "Recall", "F1"), rows, range(1, 5))
    if len(classes) > SHOWN_CLASSES:
        picture = _figure("", "confusion", plots.confusion, matrix, classes)
        return [
            Section("Confusion matrix", [Figures([picture])], "half"),
            Section("Most frequent confusions", [_confusions(matrix, classes)], "half"),
            Section(title, [table]),
        ]
    few = len(classes) <= FEW_CLASSES
    how = "Rows: true class. Columns: predicted class. Each cell: rows, and their share of the row."
    return [
        Section(
            "Confusion matrix", [Matrix(classes, matrix), Note(how)], "half" if few else "wide"
        ),
        Section(title, [table], "half" if few else "narrow"),
    ]


def _score(value: float) -> str | Cell:
    return Cell(f"{value:.3f}", share=value) if np.isfinite(value) else "–"


def _confusions(matrix: NDArray[np.int64], classes: Sequence[str]) -> Table:
    errors = matrix.copy()
    np.fill_diagonal(errors, 0)
    order = np.argsort(-errors, axis=None, kind="stable")[:CONFUSIONS]
    pairs = [divmod(int(place), len(classes)) for place in order]
    rows = [
        (classes[i], classes[j], str(errors[i, j]), f"{errors[i, j] / matrix[i].sum():.0%}")
        for i, j in pairs
        if errors[i, j]
    ]
    return Table(("True class", "Predicted", "Rows", "Of the class"), rows, (2, 3))


def _probabilities(
    labels: NDArray[Any], probabilities: NDArray[Any], classes: Sequence[str]
) -> Section:
    """ROC, precision–recall and calibration; of many classes those with the lowest F1."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    scores = class_scores(confusion_matrix(labels, probabilities)).f1
    shown = np.argsort(scores, kind="stable")[:SHOWN_CLASSES].tolist() if len(classes) > 2 else [1]
    of_class = [(shorten(classes[k], 16), labels == k, probabilities[:, k]) for k in shown]
    of_class = [each for each in of_class if 0 < each[1].sum() < len(labels)]
    figures, notes = [], []
    if of_class:
        roc = {name: roc_points(*pair)[:2] for name, *pair in of_class}
        recall = {name: precision_recall_points(*pair) for name, *pair in of_class}
        name, label, score = of_class[0]
        area, average = roc_auc_score(label, score), average_precision_score(label, score)
        two, share = len(classes) == 2, float(np.mean(label))
        prior = ((0, 1), (share, share)) if two else None
        rates = ("false positive rate", "true positive rate")
        figures = [
            _figure(f"ROC: area {area:.3f}", "roc", plots.curves, roc, rates, ((0, 1), (0, 1))),
            _figure(
                f"Precision–recall: average precision {average:.3f}",
                "recall",
                plots.curves,
                recall,
                ("recall", "precision"),
                prior,
            ),
        ]
        if not two:
            notes = [f"Each class against all others; {name}, with the lowest F1, is orange."]
    bins = reliability(labels, probabilities)
    figures.append(_figure("Calibration", "calibration", plots.reliability_diagram, bins))
    notes.append("Below the diagonal of the calibration the model is overconfident.")
    return Section("Probabilities", [Figures(figures), Note(" ".join(notes))])


def _misclassified(
    labels: NDArray[Any],
    probabilities: NDArray[Any],
    classes: Sequence[str],
    read_rows: ReadRows,
) -> Section:
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    if not len(wrong):
        return _no_mistakes(labels)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:PICTURES]
    features = read_rows(worst)
    note = f"{len(wrong)} of {len(labels)} rows are wrong; the most confident first."
    truths = [classes[k] for k in labels[worst]]
    answers = [classes[k] for k in predicted[worst]]
    images = next((values for values in features.values() if values.ndim in (3, 4)), None)
    if images is None:
        columns: dict[str, Sequence[Any]] = {
            "Truth": truths,
            "Prediction": answers,
            "Probability": [Cell(f"{share:.0%}") for share in confidence[worst]],
        }
        return _mistakes(note, worst, columns, features)
    brightest = float(images.max())
    items = [
        GalleryItem(
            plots.image_png(image, brightest),
            f"Test image {row}: a {truth} taken for {answer}",
            f"{answer} {confidence[row]:.0%}",
            f"is {truth} ({probabilities[row, labels[row]]:.0%})",
        )
        for image, row, truth, answer in zip(images, worst, truths, answers, strict=True)
    ]
    note += " In bold the prediction, below it the truth and the probability that it was given."
    return Section("Worst mistakes", [Note(note), Gallery(items)])


def _regression(
    labels: NDArray[Any], predictions: NDArray[Any], read_rows: ReadRows
) -> list[Section]:
    residuals = predictions.astype(np.float64) - labels
    sizes = np.abs(residuals)
    median, ninth, nearly_all = np.quantile(sizes, (0.5, 0.9, 0.99))
    limit = float(min(sizes.max(), FURTHEST * nearly_all)) or 1.0
    note = f"Half of the predictions are within {shorten(median)} of the truth, "
    note += f"nine in ten within {shorten(ninth)}."
    if outside := int((sizes > limit).sum()):
        note += f" {outside} of {len(sizes)} rows are further off than the plot shows."
    figures: dict[str, list[Block]] = {
        "Predictions against the truth": [
            Figures([_figure("", "scatter", plots.scatter, labels, predictions)]),
            Note("Above the dashed line the prediction is too high, below it too low."),
        ],
        "Residuals": [
            Figures([_figure("", "residuals", plots.histogram, residuals, limit)]),
            Note(note),
        ],
    }
    worst = np.argsort(-sizes, kind="stable")[:ROWS]
    worst = worst[residuals[worst] != 0]
    if len(worst):
        columns = {"Truth": labels, "Prediction": predictions, "Residual": residuals}
        shown = {name: values[worst] for name, values in columns.items()}
        mistakes = _mistakes("The largest residuals first.", worst, shown, read_rows(worst))
    else:
        mistakes = _no_mistakes(labels)
    return [*(Section(title, blocks, "half") for title, blocks in figures.items()), mistakes]


def _mistakes(
    note: str,
    rows: NDArray[np.int64],
    columns: Mapping[str, Sequence[Any]],
    features: Mapping[str, NDArray[Any]],
) -> Section:
    """A table of the first of `rows`: their numbers, `columns` and their first features."""
    if len(features) > FEATURES:
        note += f" The first {FEATURES} of {len(features)} features are shown."
    shown = {"Row": rows, **columns}
    # Pairs: a feature may have the name of one of these columns.
    found: list[tuple[str, Any]] = [*shown.items(), *list(features.items())[:FEATURES]]
    numbers = [
        place
        for place, (_, values) in enumerate(found)
        if not isinstance(values[0], str | np.ndarray)
    ]
    lines = [[_cell(values[k]) for _, values in found] for k in range(min(ROWS, len(rows)))]
    table = Table([name for name, _ in found], lines, numbers)
    return Section("Worst mistakes", [Note(note), table])


def _cell(value: Any) -> str | Cell:
    return value if isinstance(value, Cell) else shorten(value)


def _no_mistakes(labels: NDArray[Any]) -> Section:
    return Section("Mistakes", [f"None in {len(labels)} rows."])
