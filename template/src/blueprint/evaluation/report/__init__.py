"""Every report of an evaluation is made here of the same tables: the page, the card, Markdown."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..metrics import Predictions
from ..record import Evaluation
from . import tables
from .blocks import Section
from .card import Card
from .card import sections as card_sections

if TYPE_CHECKING:
    from ...export.record import Training
    from .tables import ReadRows

__all__ = ["Card", "render", "summarize", "write_card", "write_report"]

LONGEST = 5000  # characters of a description that MLflow's databases hold
LONGEST_COMMENT = 60_000  # characters of a comment that GitHub and GitLab take
# What Markdown would take for its own; an underscore inside a name is none of that.
SPECIAL = re.compile(r"([\\`*\[\]<>|]|\b_|_\b)")


def write_report(
    path: Path,
    name: str,
    evaluation: Evaluation,
    predictions: Predictions,
    training: "Training",
    read_rows: "ReadRows",
) -> None:
    """Write the page of an evaluation of the model `name` to `path`.

    `predictions` are the test set's; when they cannot be scored, the page says so instead of
    drawing them. `read_rows` gives the features of the rows that the page shows: no others are
    read.
    """
    if reason := predictions.problem:
        drawn = [Section("Predictions", [f"Nothing to draw: {reason}."])]
    else:
        task = import_module(".report", predictions.task.__name__)
        drawn = task.sections(*predictions, read_rows)
    lineage = tables.lineage(evaluation, training, {})
    sections = [*tables.sections(evaluation), *drawn, tables.training(training), lineage]
    facts = tables.facts(evaluation, training, tables.CANDIDATE)
    path.write_text(_page(f"{name}: evaluation", facts, sections, evaluation), encoding="utf-8")


def write_card(directory: Path, card: Card) -> str:
    """Write `card.html`, `card.md` and `request.json` to `directory`; return the card in short.

    The cards name report.html as a file beside them; where it is there, it gets the version. The
    short form is Markdown that stands alone.
    """
    request = json.dumps(card.request, allow_nan=False)
    (directory / "request.json").write_text(request + "\n")
    evaluation = Evaluation.model_validate(card.verdict)
    sections = card_sections(card, evaluation)
    version = f"version {card.version.number}"
    facts = tables.facts(evaluation, card.training, version)
    report = directory / "report.html"
    if report.exists():
        old, new = (f"<span>{text}</span>" for text in (tables.CANDIDATE, version))
        report.write_text(report.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    page = _page(title := f"{card.name}, {version}", facts, sections, evaluation)
    (directory / "card.html").write_text(page, encoding="utf-8")
    parts = [f"# {_escape(title)}", _escape(" · ".join(facts)), *map(_markdown, sections)]
    (directory / "card.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return _short(sections, LONGEST, "More is in card.html, among the files of this version's run.")


def summarize(verdict: Mapping[str, Any]) -> str:
    """The content of verdict.json as Markdown that stands alone: for a comment on a change."""
    evaluation = Evaluation.model_validate(verdict)
    facts = evaluation.facts
    end = (
        f"Commit {facts.get('git.commit', 'unknown')}, {facts['data.test_rows']} test rows of "
        f"{facts['data.source']}. The whole evaluation, with its plots, is report.html."
    )
    return _short(tables.sections(evaluation), LONGEST_COMMENT, end) + "\n"


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=lambda name: str(name).endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["markdown"] = lambda cell: _escape(str(getattr(cell, "text", cell)))
    return environment


def _page(title: str, facts: Sequence[str], sections: Sequence[Section], of: Evaluation) -> str:
    verdict = "accepted" if of.accepted else "rejected"
    return render(verdict, title=title, facts=facts, sections=sections, verdict=verdict)


def render(tone: str, **content: Any) -> str:
    """A report as one HTML page: no script, no request, readable offline."""
    return _templates().get_template("page.html").render(tone=tone, **content)


def _markdown(section: Section) -> str:
    """A section for GitHub and MLflow, without its plots."""
    return _templates().get_template("section.md").render(section=section).strip()


def _short(sections: Sequence[Section], limit: int, end: str) -> str:
    """As many whole sections as `limit` characters hold, without links to files, and `end`."""
    short = ""
    for section in sections:
        blocks = [block for block in section.blocks if getattr(block, "form", "") != "link"]
        text = _markdown(section._replace(blocks=blocks)) + "\n\n"
        if len(short) + len(text) + len(end) > limit:
            break
        short += text
    return short + end


def _escape(text: str) -> str:
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))
