"""What local runs have left in .mlops/runs."""

from pathlib import Path

from ..errors import UserError
from .local import RUNS


def newest(artifact: str) -> Path:
    """The newest run's artifact, such as "evaluate-model/report". Raises `UserError` without one."""
    found = sorted(RUNS.glob(f"*/{artifact}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(f"no run has left {artifact} in {RUNS}: run `make run` first")
    return found[-1]
