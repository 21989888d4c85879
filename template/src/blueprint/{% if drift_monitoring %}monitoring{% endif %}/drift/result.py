"""What a comparison found, as drift.json holds it."""

from pathlib import Path

from pydantic import BaseModel

from ...gate import Number
from ...runs import STATE
from ...text import count

NO_DRIFT, DRIFT, TOO_FEW = 0, 3, 4  # exit codes
FOLDER, RESULT = STATE / "drift", "drift.json"  # the checks on this machine, and what each found


class Column(BaseModel):
    """One feature, or what the model predicted. Scores are null where nothing was computed.

    A distance has moved from its `threshold` on, a probability (p-value) below it. `rows` are those
    with a value in the window, `missing` and `missing_before` shares of the window's rows and of
    the reference's.
    """

    name: str
    feature: bool = True  # else a prediction or its probability
    method: str = ""
    score: float | None = None
    threshold: float | None = None
    moved: bool = False
    rows: int = 0
    missing: Number = 0.0
    missing_before: Number = 0.0
    note: str = ""

    @property
    def compared(self) -> bool:
        """Whether there is a verdict on it."""
        return bool(self.method)

    @property
    def distance(self) -> float:
        """How far it moved, in multiples of its threshold: what columns are sorted by."""
        if not self.score or not self.threshold:
            return 1.0 if self.moved else 0.0
        ratio = self.score / self.threshold
        return 1 / ratio if self.method in ("ks", "chisquare") else ratio


class Performance(BaseModel):
    """One metric on the rows of the window that have a label, beside that of the reference's rows.

    `segment` is "" for all rows, or `column=value`. `worse` is beyond what chance explains.
    """

    metric: str
    value: Number
    reference: Number
    rows: int
    segment: str = ""
    worse: bool = False


class Drift(BaseModel):
    """What `measure` returns. Without `enough` rows nothing is compared, and nothing was found.

    `share` is that of the compared features that moved; `reasons` say why there is drift, `notes`
    what else a reader must know. `model`, `version`, `window` and `checked` (ISO 8601, UTC) say of
    what.
    """

    rows: int
    reference_rows: int
    enough: bool = True
    detected: bool = False
    share: Number = 0.0
    reasons: list[str] = []
    columns: list[Column] = []
    performance: list[Performance] = []
    notes: list[str] = []
    model: str = ""
    version: str = ""
    window: str = ""
    checked: str = ""

    @property
    def exit_code(self) -> int:
        """0, or 3 when drift was found, or 4 when there are too few rows to say."""
        return DRIFT if self.detected else NO_DRIFT if self.enough else TOO_FEW

    @property
    def verdict(self) -> str:
        """The result in a line."""
        if not self.enough:
            return f"too few rows to say: {self.rows:,}"
        if self.detected:
            return f"drift: {'; '.join(self.reasons)}"
        moved = sum(each.moved for each in self.columns)
        return f"no drift: {moved} of {count(len(self.columns), 'column')} moved"

    @property
    def ordered(self) -> list[Column]:
        """The columns: those that moved, the furthest first, those not compared, the others."""
        return sorted(self.columns, key=lambda each: (-each.moved, each.compared, -each.distance))

    @classmethod
    def read(cls, path: str | Path) -> "Drift":
        return cls.model_validate_json(Path(path).read_bytes())

    def write(self, path: str | Path) -> None:
        Path(path).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


def newest() -> Drift | None:
    """The last check on this machine, or None before the first one."""
    path = max(FOLDER.glob(f"*/{RESULT}"), default=None)
    return Drift.read(path) if path else None
