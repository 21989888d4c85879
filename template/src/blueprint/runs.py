"""What runs have left on this machine, in .mlops/runs."""

from pathlib import Path

from .errors import UserError

STATE = Path(".mlops")
RUNS = STATE / "runs"


def newest(artifact: str) -> Path:
    """The newest run's artifact, such as "evaluate-model/report", or a `UserError`."""
    paths = RUNS.glob(f"*/{artifact}")
    path = max(paths, key=lambda each: each.stat().st_mtime, default=None)
    if path is None:
        raise UserError(f"no run has left {artifact} in {RUNS}: run `make run` first")
    return path
