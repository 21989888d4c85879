"""The section `prediction_log`: what the server keeps of requests and predictions."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ...settings import ENV_PREFIX, Section


class PredictionLog(Section):
    """What is kept of requests and predictions, and where. See docs/prediction-log.md.

    `share` of the requests is logged, with the inputs named in `columns` (default: all); those in
    `hashed` as an HMAC-SHA256 by the key in $MLOPS_PREDICTION_LOG__KEY. A file is written every
    `flush_rows` rows or `flush_seconds`; what waits for it has at most `buffer_mb`. Files older
    than `keep_days` are deleted, and in a local folder the oldest beyond `max_mb`. Labels for
    predictions older than `late_days` are reported as late.
    """

    path: Annotated[str, Field(min_length=1)] = ".mlops/predictions"
    share: Annotated[float, Field(ge=0, le=1)] = 1
    columns: list[str] | None = None
    hashed: list[str] = []
    flush_rows: Annotated[int, Field(ge=1, le=100_000)] = 5000
    flush_seconds: Annotated[float, Field(gt=0)] = 30
    buffer_mb: Annotated[float, Field(gt=0)] = 64
    max_mb: Annotated[float, Field(gt=0)] = 2048
    keep_days: Annotated[int, Field(ge=1)] = 30
    late_days: Annotated[float, Field(gt=0)] = 7

    @property
    def in_project(self) -> bool:
        """Whether it lies in the project's folder, which pods do not have."""
        return "://" not in self.path and not Path(self.path).is_absolute()


def key() -> bytes:
    """The key that hashes personal data; empty where none is set. No configuration holds it."""
    return os.environ.get(f"{ENV_PREFIX}PREDICTION_LOG__KEY", "").encode()


SECTIONS = {"prediction_log": (PredictionLog, PredictionLog())}
FROM_ENVIRONMENT = ("prediction_log.key",)
LOGINS = {"prediction_log.path": "object stores take theirs from their cloud's own variables"}
