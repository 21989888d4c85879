"""The model card: what is known of a registered version, as HTML, as Markdown, and in short."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import markdown, page
from .content import Evidence, judgement, sections

__all__ = ["Evidence", "summarize", "write_card"]

LONGEST = 5000  # characters of a description that MLflow's databases hold
LONGEST_COMMENT = 60_000  # characters of a comment that GitHub and GitLab take


def write_card(directory: Path, evidence: Evidence) -> str:
    """Write `card.html`, `card.md` and `request.json` to `directory`; return the card in short.

    The cards name report.html and the picture as files beside them. The short form is Markdown
    that stands alone.
    """
    (directory / "request.json").write_text(json.dumps(evidence.request, allow_nan=False) + "\n")
    content = sections(evidence)
    title = f"{evidence.name}, version {evidence.version.number}"
    (directory / "card.html").write_text(
        page.render(title, content, evidence.accepted), encoding="utf-8"
    )
    (directory / "card.md").write_text(markdown.render(title, content), encoding="utf-8")
    end = "More is in card.html, among the files of this version's run."
    return markdown.shorten(content, LONGEST, end)


def summarize(verdict: Mapping[str, Any]) -> str:
    """The content of verdict.json as Markdown that stands alone: for a comment on a change."""
    facts = verdict["facts"]
    end = (
        f"Commit {facts.get('git.commit', 'unknown')}, {facts['data.test_rows']} test rows of "
        f"{facts['data.source']}. The whole evaluation, with its plots, is report.html."
    )
    return markdown.shorten(judgement(verdict), LONGEST_COMMENT, end) + "\n"
