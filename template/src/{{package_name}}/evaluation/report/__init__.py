"""The evaluation as one HTML page: no script, no request, readable offline and on paper."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from ..metrics import Predictions, problem
from . import classification, common, regression
from .mistakes import ReadRows
from .page import section

__all__ = ["write_report"]


def write_report(
    path: Path,
    *,
    title: str,
    verdict: Mapping[str, Any],
    metrics: Mapping[str, float],
    history: Mapping[str, Sequence[float]],
    facts: Mapping[str, str],
    predictions: Predictions,
    read_rows: ReadRows,
) -> None:
    """Write the page to `path`.

    `verdict` is the content of verdict.json: accepted, reason and rules at least. `history` holds
    one value per epoch under names such as loss and val_loss, and may be empty. `predictions`
    are the test set's; when they cannot be scored, the page says so instead of drawing them.
    `read_rows` gives the features of the rows that the page shows: no others are read.
    """
    sections = [
        common.verdict(verdict),
        common.metrics(metrics, verdict),
        common.slices(verdict.get("slices", ())),
        common.learning_curves(history),
        *_sections(predictions, read_rows),
        common.facts(facts),
    ]
    page = Template(files(__package__).joinpath("report.html").read_text(encoding="utf-8"))
    path.write_text(
        page.substitute(
            title=escape(title),
            verdict="accepted" if verdict["accepted"] else "rejected",
            sections="\n".join(filter(None, sections)),
        ),
        encoding="utf-8",
    )


def _sections(predictions: Predictions, read_rows: ReadRows) -> list[str]:
    labels, outputs, classes = predictions
    if reason := problem(predictions):
        return [section("Predictions", f"<p>Nothing to draw: {escape(reason)}.</p>")]
    if classes:
        return classification.sections(labels, outputs, classes, read_rows)
    return regression.sections(labels, outputs, read_rows)
