"""What every report says of an evaluation: verdict, metrics, slices, confusion and origin."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...gate import LOWER_IS_BETTER, number
from ..metrics import title_of
from ..record import Evaluation
from . import plots
from .blocks import Cell, Section, Table, figures, note, pairs, show

if TYPE_CHECKING:  # a comment on a change needs neither MLflow nor the training
    from ...export.record import Training

RESULTS = {"✓": Cell("✓ pass", "good"), "✗": Cell("✗ fail", "bad"), "–": Cell("–")}
CANDIDATE = "candidate"  # on the page of an evaluation, until the model is registered
CURVES = (("", "blue", "training"), ("val_", "orange dashed", "validation"))
ROWS, FEATURES = 12, 8  # of a table of mistakes
# The features of the rows with these numbers (k,): arrays (k, *shape) by name.
ReadRows = Callable[[NDArray[np.int64]], Mapping[str, NDArray[Any]]]
HALF, MOST = 10, 20  # classes: a confusion matrix of more is wider, and at last a picture


def sections(evaluation: Evaluation) -> list[Section]:
    """The first has the verdict as its title."""
    every = (_verdict, _metrics, _gain, _slices, _confusion)
    return [section for make in every for section in make(evaluation) if section.blocks]


def facts(evaluation: Evaluation, training: "Training", version: str) -> list[str]:
    """The line under a title: date, version, commit, framework and Python."""
    time = evaluation.evaluated
    commit, dirty, _ = evaluation.facts.get("git.commit", "unknown").partition("-dirty")
    every = [version, time and f"evaluated {time[:10]} {time[11:16]} UTC"]
    every += [f"commit {commit[:12]}{dirty}", training.framework, f"Python {training.python}"]
    return [fact for fact in every if fact]


def training(record: "Training") -> Section:
    """The learning curves, where they ended, and the parameters."""
    plotted = []
    for name in dict.fromkeys(key.removeprefix("val_") for key in record.curves):
        lines = [
            plots.line(range(1, len(values) + 1), values, style, label)
            for prefix, style, label in CURVES
            if (values := record.curves.get(prefix + name))
        ]
        axes = ("epoch", title_of(name))
        plotted += [plots.chart(title_of(name), axes, lines, integers="x")] if lines else []
    # KFP hands every number over as a float; what is no integer is shown as config/ has it.
    parameters = {
        name: str(v) if isinstance(v, float) and not v.is_integer() else show(v, 99)
        for name, v in record.parameters.items()
    }
    blocks: list[Any] = [figures(*plotted), f"{record.summary()}."] if plotted else []
    blocks.append(pairs(parameters) if parameters else "No parameters.")
    return Section("Training", blocks, "split" if len(plotted) == 1 else "full")


def lineage(evaluation: Evaluation, training: "Training", more: Mapping[str, str]) -> Section:
    """The data, the code and the environment that the model came from."""
    known = evaluation.facts
    values = {
        "Data source": known.get("data.source"),
        "Training rows": training.data.get("rows"),
        "Test rows": known.get("data.test_rows"),
        "Pipeline run": known.get("pipeline.run"),
        "Git commit": known.get("git.commit"),
        "SHA-256 of the training rows": training.data["hash"],
        "SHA-256 of the test rows": known.get("data.test_hash"),
        "SHA-256 of the model": known.get("model.sha256"),
        **more,
    }
    return Section("Lineage", [pairs(values)])


def width_of(classes: Sequence[str]) -> str:
    """The width of a confusion matrix, and of what stands beside it."""
    return "half" if len(classes) <= HALF else "full"


def mistakes(
    how: str,
    rows: NDArray[np.int64],
    columns: Mapping[str, Sequence[Any]],
    features: Mapping[str, NDArray[Any]],
) -> Section:
    """The first of `rows`: their numbers, `columns` and their first features."""
    if len(features) > FEATURES:
        how += f" The first {FEATURES} of {len(features)} features are shown."
    # Pairs: a feature may have the name of one of these columns.
    every: list[tuple[str, Any]] = [("Row", rows), *columns.items()]
    every += list(features.items())[:FEATURES]
    numbers = [k for k, (_, v) in enumerate(every) if not isinstance(v[0], str | np.ndarray)]
    lines = [[show(v[row]) for _, v in every] for row in range(min(ROWS, len(rows)))]
    table = Table([name for name, _ in every], lines, numbers)
    return Section("Worst mistakes", [note(how), table])


def _verdict(evaluation: Evaluation) -> list[Section]:
    champion, failed = evaluation.champion, [r for r in evaluation.rules if not r.passed]
    rules = [*failed, *(rule for rule in evaluation.rules if rule.passed)]
    rows = [(rule.rule, rule.detail, RESULTS[rule.mark]) for rule in rules]
    against = "There was no champion to compare with."
    if champion and champion.metrics:
        against = f"Compared with the champion, version {champion.version}, on the same rows."
    elif champion:
        against = f"The champion, version {champion.version}, could not be measured."
    # The reason names the failed rules, as the table does, unless it is another one.
    reason = f"{len(failed)} of {len(rules)} rules failed" if failed else evaluation.reason
    text = f"{reason[:1].upper()}{reason[1:]}. {against}"
    title = "Accepted" if evaluation.accepted else "Rejected"
    return [Section(title, [text, Table(("Rule", "Measured", "Result"), rows)])]


def _metrics(evaluation: Evaluation) -> list[Section]:
    champion, intervals = evaluation.champion, evaluation.intervals
    others, notes = champion.metrics if champion else {}, []
    head, rows = ["Metric", "This model"], []
    if intervals:
        sure = f"{evaluation.confidence:.0%}"
        head.append(f"{2 * evaluation.confidence - 1:.0%} interval")
        text = "confidence each metric lies above the lower bound of its interval, and likewise"
        notes.append(note(f"With {sure} {text} below the upper one."))
    if champion and others:
        head += [f"Champion (version {champion.version})", "Change"]
    head += ["Constant answer"] if evaluation.baseline else []
    for name, value in evaluation.metrics.items():
        row: list[Any] = [title_of(name), _number(value, "not computable")]
        row += [" to ".join(map(_number, intervals.get(name, ()))) or "–"] if intervals else []
        other = others.get(name)
        row += [_number(other), _change(name, value, other)] if others else []
        row += [_number(evaluation.baseline.get(name))] if evaluation.baseline else []
        rows.append(row)
    table = Table(head, rows, range(1, len(head)))
    return [Section("Metrics", [table, *notes] if rows else [])]


def _gain(evaluation: Evaluation) -> list[Section]:
    """The comparison with the champion as a plot, where there are numbers to draw."""
    rule = next((rule for rule in evaluation.rules if rule.name == "champion"), None)
    known = (
        [rule.numbers.get(name, math.nan) for name in ("gain", "low", "high", "limit")]
        if rule
        else []
    )
    if not known or not all(map(math.isfinite, known)):
        return []
    gain, low, high, limit = known
    marks = [
        plots.line((0, 0), (-1, 1), "muted", "no change"),
        plots.line((limit, limit), (-1, 1), "orange dashed", "limit"),
        plots.line((low, high), (0, 0), "blue wide"),
        plots.dots([gain], [0], "blue big", "gain with its interval"),
    ]
    axis = "← worse · gain over the champion · better →"
    text = "The lower bound of the gain must not be below the limit: then the model is not worse "
    text += "than the champion by more than the margin."
    figure = plots.chart("", (axis, ""), marks, y=(-1, 1), height=110)
    return [Section("Gain over the champion", [figures(figure), note(text)], "split")]


def _slices(evaluation: Evaluation) -> list[Section]:
    """A row for each part of the test set that was measured for itself, the largest first."""
    slices = sorted(evaluation.slices, key=lambda part: -part.rows)
    names = list(dict.fromkeys(name for part in slices for name in part.metrics))
    head = ["Slice", "Rows", *map(title_of, names)]
    rows = [
        [part.name, str(part.rows), *(_number(part.metrics.get(name)) for name in names)]
        for part in slices
    ]
    return [Section("Slices", [Table(head, rows, range(1, len(head)))] if rows else [])]


def _confusion(evaluation: Evaluation) -> list[Section]:
    matrix = evaluation.confusion
    if not matrix or len(matrix.classes) > MOST:
        return []
    rows: list[Any] = []
    for true, (name, counts) in enumerate(zip(matrix.classes, matrix.counts, strict=True)):
        total, tones = max(sum(counts), 1), ["miss"] * len(counts)
        tones[true] = "hit"
        cells = zip(counts, tones, strict=True)
        rows.append([name, *(Cell(f"{n}", tone if n else "", n / total) for n, tone in cells)])
    head = ["True \\ predicted", *matrix.classes]
    how = "Rows: true class. Columns: predicted class. Each cell: rows, and their share of the row."
    table = Table(head, rows, range(1, len(head)), "matrix")
    return [Section("Confusion matrix", [table, note(how)], width_of(matrix.classes))]


def _number(value: float | None, unknown: str = "–") -> str:
    known = value is not None and math.isfinite(value)
    return number(value).replace("-", "−") if known and value is not None else unknown


def _change(name: str, value: float, other: float | None) -> str | Cell:
    if other is None or not math.isfinite(value - other):
        return "–"
    change = value - other
    text = ("−" if change < 0 else "+") + number(abs(change))
    if number(value) == number(other):
        return text
    better = (change < 0) == (name in LOWER_IS_BETTER)
    return Cell(f"{text} {'better' if better else 'worse'}", "good" if better else "bad")
