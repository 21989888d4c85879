"""How good the model still is, where labels are: beside what it was on rows it had not learned."""

from collections.abc import Iterator
from math import sqrt

import polars as pl

from ..reference_rows import INPUT
from . import statistics
from .result import Performance
from .settings import Drift as Settings

MOST = 100_000  # labelled rows that metrics are of, sampled: of a million they take half a minute
SEGMENTS = 20  # values of a column, the most frequent ones
Z = 2.81  # both sides of a normal distribution: 1 in 200
DECIDES = ("accuracy", "mae")  # the metric that says it got worse; its error is known


def evaluate(
    reference: pl.DataFrame, window: pl.DataFrame, settings: Settings
) -> tuple[list[Performance], list[str]]:
    """The metrics of all labelled rows and of each segment, and what got worse in words."""
    if "label" not in window.columns or "prediction" not in window.columns:
        return [], []
    kind = reference["label"].dtype
    known = window.with_columns(pl.col("label", "prediction").cast(kind, strict=False))
    known = known.drop_nulls(["label", "prediction"])
    before = reference.filter(pl.col("held_out")) if reference["held_out"].any() else reference
    found: list[Performance] = []
    for segment, old, new in _segments(before, known, settings):
        if len(new) >= settings.min_rows and len(old):
            found += _compare(segment, old, new, settings.worse)
    words = [f"{each.metric} got worse{_of(each.segment)}" for each in found if each.worse]
    return found, words


def _of(segment: str) -> str:
    return f" for {segment}" if segment else ""


def _segments(
    before: pl.DataFrame, now: pl.DataFrame, settings: Settings
) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame]]:
    """All rows, and those of each value of the columns that are configured."""
    yield "", before, now
    for name in settings.segments:
        column = f"{INPUT}{name}"
        if column not in now.columns:
            continue
        text = pl.col(column).cast(pl.String)
        values = now.select(text).to_series().drop_nulls().value_counts(sort=True).head(SEGMENTS)
        for value in values.to_series():
            yield f"{name}={value}", before.filter(text == value), now.filter(text == value)


def _compare(
    segment: str, before: pl.DataFrame, now: pl.DataFrame, tolerated: float
) -> Iterator[Performance]:
    before, now = (rows.sample(min(len(rows), MOST), seed=0) for rows in (before, now))
    old, new = statistics.quality(before), statistics.quality(now)
    for metric, value in new.items():
        worse = metric in DECIDES and _worse(metric, old[metric], value, before, now, tolerated)
        yield Performance(
            metric=metric,
            value=value,
            reference=old[metric],
            rows=len(now),
            segment=segment,
            worse=worse,
        )


def _worse(
    metric: str, old: float, new: float, before: pl.DataFrame, now: pl.DataFrame, tolerated: float
) -> bool:
    """Whether it lost more than is tolerated, and more than two samples differ by chance."""
    if metric == "accuracy":
        value = (pl.col("label") == pl.col("prediction")).cast(pl.Float64)
        lost = old - new
    else:
        value = (pl.col("label") - pl.col("prediction")).abs()
        lost = new - old
    variance = sum(
        float(frame.select(value.var()).item() or 0.0) / len(frame) for frame in (before, now)
    )
    return lost > max(tolerated * old, Z * sqrt(variance))
