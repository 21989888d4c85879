"""What local runs have left in .mlops/runs."""

import shutil
from pathlib import Path

from ..errors import UserError
from .local import RUNS, STATE


def newest(artifact: str) -> Path:
    """The newest run's artifact, such as "evaluate-model/report", or a `UserError`."""
    found = sorted(RUNS.glob(f"*/{artifact}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(f"no run has left {artifact} in {RUNS}: run `make run` first")
    return found[-1]


def copy_report() -> Path:
    """Put the newest evaluation where its name says what it is; KFP's has no suffix."""
    page = STATE / "report.html"
    shutil.copyfile(newest("evaluate-model/report"), page)
    return page
