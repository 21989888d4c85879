"""Stand-in for room D's drift, of the least that the loop needs: to be replaced in the merge.

Each column of the reference is compared with the newest rows of the log that this version answered.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ...registry.client import connect
from ...runs import STATE

THRESHOLD = 0.15
LOG = ".mlops/predictions"


@dataclass
class Drift:
    """What a check has found."""

    rows: int
    enough: bool = False
    detected: bool = False
    share: float = 0.0
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        if not self.enough:
            return f"too few rows to say: {self.rows:,}"
        return f"drift: {self.share:.0%} of the columns moved" if self.detected else "no drift"


@dataclass(frozen=True)
class Checked:
    drift: Drift
    folder: Path
    run_id: str = ""


def check(settings: Any, version: str | None = None, say: Callable[[str], None] = print) -> Checked:
    registry = connect(settings.registry)
    champion = registry.version(version) if version else registry.champion()
    assert champion
    with registry.model(champion) as directory:
        reference = pl.read_parquet(directory / "reference.parquet").filter(pl.col("held_out"))
    files = sorted(Path(LOG, registry.name).glob("date=*/*.parquet"))
    drift = Drift(0)
    if files:
        rows = pl.scan_parquet(files).filter(pl.col("version") == champion.number).sort("time")
        drift = compare(reference, rows.tail(settings.drift.window_rows).collect(), settings.drift)
    folder = STATE / "drift"
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"rows": drift.rows, "detected": drift.detected, "share": drift.share})
    (folder / "drift.json").write_text(text)
    (folder / "drift.html").write_text(f"<pre>{text}</pre>")
    return Checked(drift, folder)


def compare(reference: pl.DataFrame, rows: pl.DataFrame, settings: Any) -> Drift:
    if len(rows) < settings.min_rows:
        return Drift(len(rows))
    names = [n for n in reference.columns if n in rows.columns and n not in ("label", "held_out")]
    scores = {name: _score(reference[name], rows[name]) for name in names}
    share = float(np.mean([score > THRESHOLD for score in scores.values()]))
    return Drift(len(rows), True, share >= settings.share, share, scores)


def _score(reference: pl.Series, rows: pl.Series) -> float:
    """The largest difference of two distributions: of classes by count, else by rank."""
    if reference.dtype == pl.String:
        shares = [each.value_counts(normalize=True) for each in (reference, rows)]
        old, new = (dict(each.iter_rows()) for each in shares)
        return float(max(abs(old.get(name, 0) - new.get(name, 0)) for name in {*old, *new}))
    samples = [np.sort(each.drop_nulls().to_numpy()) for each in (reference, rows)]
    values = np.concatenate(samples)
    ranks = [np.searchsorted(each, values, side="right") / len(each) for each in samples]
    return float(np.abs(ranks[0] - ranks[1]).max())
