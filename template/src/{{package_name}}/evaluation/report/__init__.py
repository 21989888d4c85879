"""The evaluation as one HTML page."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ..metrics import Predictions, problem
from . import classification, common, regression
from .mistakes import ReadRows
from .page import document, section

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
    page = document(title, verdict["accepted"], [*filter(None, sections)])
    path.write_text(page, encoding="utf-8")


def _sections(predictions: Predictions, read_rows: ReadRows) -> list[str]:
    labels, outputs, classes = predictions
    if reason := problem(predictions):
        return [section("Predictions", f"<p>Nothing to draw: {escape(reason)}.</p>")]
    if classes:
        return classification.sections(labels, outputs, classes, read_rows)
    return regression.sections(labels, outputs, read_rows)
