"""What local runs have left in .mlops/runs."""

import json
import shutil
from pathlib import Path

from ..errors import UserError
from ..evaluation.report import summarize
from .facts import RUNS, STATE


def newest(artifact: str) -> Path:
    """The newest run's artifact, such as "evaluate-model/report", or a `UserError`."""
    found = sorted(RUNS.glob(f"*/{artifact}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(f"no run has left {artifact} in {RUNS}: run `make run` first")
    return found[-1]


def copy_report() -> Path:
    """Put the newest evaluation where its names say what it is, KFP's have no suffix; return the
    page, beside which is a summary in Markdown: report.md."""
    report = newest("evaluate-model/report")
    page = STATE / "report.html"
    shutil.copyfile(report, page)
    verdict = json.loads(report.with_name("verdict").read_text())
    page.with_suffix(".md").write_text(summarize(verdict), encoding="utf-8")
    return page
