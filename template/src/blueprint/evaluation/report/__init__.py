"""Every report of an evaluation is made here of the same content: the page, the card, Markdown."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..metrics import Predictions, problem
from ..record import Record
from . import verdict
from .card import Evidence, card, facts, lineage_section, training_section
from .content import Report
from .render import to_html, to_markdown, to_short_markdown

if TYPE_CHECKING:
    from ...export.record import Training
    from .predictions import ReadRows

__all__ = ["Evidence", "summarize", "write_card", "write_picture", "write_report"]

LONGEST = 5000  # characters of a description that MLflow's databases hold
LONGEST_COMMENT = 60_000  # characters of a comment that GitHub and GitLab take


def write_report(
    path: Path,
    name: str,
    record: Record,
    *,
    predictions: Predictions,
    training: "Training",
    read_rows: "ReadRows",
) -> None:
    """Write the page of an evaluation of the model `name` to `path`.

    `predictions` are the test set's; when they cannot be scored, the page says so instead of
    drawing them. `read_rows` gives the features of the rows that the page shows: no others are
    read.
    """
    from . import predictions as shown  # Matplotlib

    curves = shown.learning_curves(training.curves)
    alone = len(curves) == 1 and curves[0].width == "half"  # beside the parameters
    sections = [
        *verdict.sections(record),
        *shown.sections(predictions, read_rows),
        *curves,
        training_section(training, "half" if alone else "narrow"),
        lineage_section(record, training, {}, "full" if alone else "wide"),
    ]
    title, accepted = f"{name}: evaluation", record["accepted"]
    report = Report(title, facts(record, training), accepted, sections)
    path.write_text(to_html(report), encoding="utf-8")


def write_picture(directory: Path, predictions: Predictions) -> Path:
    """Write `confusion_matrix.png`, or for a regression `predictions.png`, and return its path.

    Predictions that cannot be scored give a picture that says why.
    """
    from . import plots

    labels, outputs, classes = predictions
    path = directory / ("confusion_matrix.png" if classes else "predictions.png")
    if reason := problem(predictions):
        content = plots.png(plots.message, f"Nothing to draw: {reason}.")
    elif classes:
        from ..metrics.classification import confusion_matrix

        content = plots.png(plots.confusion, confusion_matrix(labels, outputs), classes)
    else:
        content = plots.png(plots.scatter, labels, outputs)
    path.write_bytes(content)
    return path


def write_card(directory: Path, evidence: Evidence) -> str:
    """Write `card.html`, `card.md` and `request.json` to `directory`; return the card in short.

    The cards name report.html and the picture as files beside them. The short form is Markdown
    that stands alone.
    """
    request = json.dumps(evidence.request, allow_nan=False)
    (directory / "request.json").write_text(request + "\n")
    report = card(evidence, cast(Record, evidence.verdict))
    (directory / "card.html").write_text(to_html(report), encoding="utf-8")
    (directory / "card.md").write_text(to_markdown(report), encoding="utf-8")
    end = "More is in card.html, among the files of this version's run."
    return to_short_markdown(report.sections, LONGEST, end)


def summarize(content: Mapping[str, Any]) -> str:
    """The content of verdict.json as Markdown that stands alone: for a comment on a change."""
    record = cast(Record, content)
    found = record["facts"]
    end = (
        f"Commit {found.get('git.commit', 'unknown')}, {found['data.test_rows']} test rows of "
        f"{found['data.source']}. The whole evaluation, with its plots, is report.html."
    )
    return to_short_markdown(verdict.sections(record), LONGEST_COMMENT, end) + "\n"
