"""The model card: what is known of a registered version, as HTML, as Markdown, and in short."""

import json
from pathlib import Path

from . import markdown, page
from .content import Evidence, sections

__all__ = ["Evidence", "write_card"]

LONGEST = 5000  # characters of a description that MLflow's databases hold


def write_card(directory: Path, evidence: Evidence) -> str:
    """Write `card.html`, `card.md` and `request.json` to `directory`; return the card in short.

    The cards name report.html and the picture as files beside them. The short form is Markdown
    that stands alone.
    """
    (directory / "request.json").write_text(json.dumps(evidence.request) + "\n")
    content = sections(evidence)
    title = f"{evidence.name}, version {evidence.version.number}"
    (directory / "card.html").write_text(
        page.render(title, content, evidence.accepted), encoding="utf-8"
    )
    (directory / "card.md").write_text(markdown.render(title, content), encoding="utf-8")
    return markdown.shorten(content, LONGEST)
