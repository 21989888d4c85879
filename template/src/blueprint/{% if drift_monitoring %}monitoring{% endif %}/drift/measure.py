"""A window of rows against a model's reference: what Evidently scores, and what it cannot.

Which rows are too few, what a gap, a constant or a new category means, and from when on a score is
more than chance is decided here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import polars as pl

from ...errors import UserError
from ...text import count, listing
from ..reference_rows import INPUT
from . import statistics
from .performance import Z, evaluate
from .result import Column, Drift
from .settings import CATEGORIES_ALONE, DISTANCES, NUMBERS_ALONE, Rule
from .settings import Drift as Settings
from .statistics import Asked

OUTPUTS = ("prediction", "probability")
CELLS, FEWEST, MOST = 600_000, 10_000, 50_000  # of each frame that Evidently gets: it is slow
VALUES = 20  # fewer say nothing of a column
CATEGORIES, FREQUENT = 50, 0.01  # at most so many, of this share; the others are one together
OTHER = "(other)"
MISSING = 0.1  # a change of the share of missing or new values
TINY = 0.01  # a standard deviation that Evidently would take for at least 0.001
# Two samples of one distribution differ as well. What is exceeded by 1 in 200 of such pairs:
BY_CHANCE = 3.0  # Wasserstein's distance in standard deviations, times √(1/n + 1/m)


@dataclass
class Pair:
    """A column of both frames in a form that can be compared, and what is known of it so far."""

    column: Column
    number: bool
    before: pl.Series
    now: pl.Series


def measure(
    reference: pl.DataFrame, window: pl.DataFrame, columns: Settings, page: Path | None = None
) -> Drift:
    """What has moved; `columns` is the section `drift`, and Evidently's own page goes to `page`.

    Both frames have the columns of a reference (see `monitoring.reference_rows`); a window may lack
    some, and `label`, and have others. Raises `UserError` for a rule that does not fit its column.
    """
    drift = Drift(rows=len(window), reference_rows=len(reference))
    if len(window) < columns.min_rows:
        drift.enough = False
        drift.notes.append(f"{len(window):,} rows, and drift.min_rows is {columns.min_rows:,}")
        return drift
    names = [name for name in reference.columns if name.startswith(INPUT) or name in OUTPUTS]
    _check(columns, names)
    drift.notes += _new_columns(reference, window)
    most = min(MOST, max(FEWEST, CELLS // len(names)))
    pairs = []
    for name in names:
        before = reference[name]
        if name in OUTPUTS and reference["held_out"].sum() >= VALUES:
            before = reference.filter("held_out")[name]
        pair = _pair(name, before, window, columns)
        drift.columns.append(pair.column)
        if pair.column.method and pair.column.score is None:
            pairs.append(pair)
    _score(pairs, most, page)
    drift.performance, worse = evaluate(reference, window, columns)
    _decide(drift, columns, worse)
    return drift


def shown(name: str) -> str:
    """A column's name as people know it."""
    return name.removeprefix(INPUT)


def _check(columns: Settings, names: Sequence[str]) -> None:
    known = [shown(name) for name in names]
    for key, given in (("columns", columns.columns), ("segments", columns.segments)):
        for name in given:
            if name not in known:
                text = f"drift.{key} in config/: the model has no column {name!r}"
                raise UserError(f"{text}; there are {listing(known)}")


def _new_columns(reference: pl.DataFrame, window: pl.DataFrame) -> Iterator[str]:
    """What is said of columns that only the window has."""
    new = [name for name in window.columns if name.startswith(INPUT) and name not in reference]
    if new:
        yield f"not known to the model: {listing(map(shown, new))}"


def _pair(name: str, before: pl.Series, window: pl.DataFrame, columns: Settings) -> Pair:
    """The column, decided on where no statistics are needed, or what is to be compared."""
    number = before.dtype.is_numeric()
    column = Column(name=shown(name), feature=name not in OUTPUTS)
    values = _clean(before, number)
    column.missing_before = values.null_count() / max(len(values), 1)
    before = values.drop_nulls()
    pair = Pair(column, number, before, before.clear())
    if name not in window.columns:
        column.note = "not in the window"
        return pair
    now = _clean(window[name], number)
    column.rows, column.missing = len(now) - now.null_count(), now.null_count() / len(now)
    pair.now = now.drop_nulls()
    if len(before) < VALUES:
        column.note = "too few values in the reference"
    elif column.rows < VALUES:
        column.method, column.score, column.threshold = "missing", column.missing, MISSING
        column.moved = column.missing - column.missing_before > MISSING
        column.note = f"only {count(column.rows, 'value')}" if column.rows else "no value at all"
    elif before.n_unique() == 1:
        column.method, column.threshold = "constant", MISSING
        column.score = float((pair.now != before[0]).mean() or 0.0)
        column.moved = column.score >= MISSING
        column.note = f"was always {before[0]}"
    else:
        _choose(pair, columns.columns.get(column.name, Rule()), columns)
        if not number:
            _group(pair)
    if column.rows >= VALUES <= len(before):
        _gaps(column, len(window), len(before))
    return pair


def _clean(series: pl.Series, number: bool) -> pl.Series:
    """Numbers as finite float64, others as texts; what is neither is null."""
    if not number:
        text = series.cast(pl.String)
        return text.set(text == "", None)
    values = series.cast(pl.Float64, strict=False)
    return values.set(~values.is_finite(), None)


def _gaps(column: Column, rows: int, before: int) -> None:
    """Whether more or fewer values are missing than before, beyond chance."""
    share, old = column.missing, column.missing_before
    both = (share * rows + old * before) / max(rows + before, 1)
    chance = Z * sqrt(both * (1 - both) * (1 / max(rows, 1) + 1 / max(before, 1)))
    if abs(share - old) > max(MISSING, chance):
        column.moved = True
        column.note = _join(column.note, f"{share:.0%} missing, was {old:.0%}")


def _join(*texts: str) -> str:
    return "; ".join(filter(None, texts))


def _choose(pair: Pair, rule: Rule, columns: Settings) -> None:
    """The method, and its threshold: the configured one, or what chance alone would reach."""
    column = pair.column
    column.method = rule.method or ("wasserstein" if pair.number else "jensenshannon")
    wrong = CATEGORIES_ALONE if pair.number else NUMBERS_ALONE
    if column.method in wrong:
        what = "numbers" if pair.number else "categories"
        key = f"drift.columns.{column.name}.method in config/"
        raise UserError(f"{key}: {column.method} does not compare {what}")
    column.threshold = rule.threshold or getattr(columns.thresholds, column.method)


def _group(pair: Pair) -> None:
    """Put all but the frequent categories together, and say which are new.

    Rare ones alone would look as if they had moved: those that are frequent in one sample by chance
    are less so in the next. For the same reason some of many categories are always new, as many as
    came only once before (Good 1953, doi:10.1093/biomet/40.3-4.237).
    """
    column, counts = pair.column, pair.before.value_counts(sort=True)
    names, times = counts.to_series(0), counts.to_series(1)
    frequent = names.filter(times >= FREQUENT * len(pair.before)).head(CATEGORIES)
    if frequent.is_empty():
        column.method, column.threshold = "", None
        column.note = f"{len(names):,} different values are no categories"
        return
    new = pair.now.filter(~pair.now.is_in(names.implode()))
    if len(new):
        share, usual = len(new) / len(pair.now), int((times == 1).sum()) / len(pair.before)
        listed = listing(new.value_counts(sort=True).to_series(), 3)
        column.note = _join(column.note, f"new: {listed} ({share:.1%})")
        column.moved = share > usual + MISSING
    kept = frequent.implode()
    pair.before, pair.now = (
        values.to_frame("value")
        .select(pl.when(pl.col("value").is_in(kept)).then("value").otherwise(pl.lit(OTHER)))
        .to_series()
        for values in (pair.before, pair.now)
    )


def _score(pairs: Sequence[Pair], most: int, page: Path | None) -> None:
    """Let Evidently compare the columns, and decide which have moved."""
    if not pairs:
        return
    frames: list[list[pl.Series]] = [[], []]
    asked = []
    for pair in pairs:
        column, scale = pair.column, 1.0
        before, now = (_some(each, most) for each in (pair.before, pair.now))
        column.threshold = max(column.threshold or 0.0, _chance(column.method, before, now))
        if pair.number and 0 < (spread := float(before.std() or 0.0)) < TINY:  # type: ignore[arg-type]
            scale = spread
        for place, values in enumerate((before, now)):
            values = values / scale if pair.number else values
            frames[place].append(values.alias(column.name))
        asked.append(Asked(column.name, pair.number, column.method, column.threshold))
    reference, window = (_frame(columns) for columns in frames)
    found = statistics.scores(reference, window, asked, page)
    for pair in pairs:
        column = pair.column
        column.score = score = found[column.name]
        limit = column.threshold or 0.0
        column.moved |= score >= limit if column.method in DISTANCES else score < limit


def _some(values: pl.Series, most: int) -> pl.Series:
    return values.sample(most, seed=0) if len(values) > most else values


def _frame(columns: Sequence[pl.Series]) -> pl.DataFrame:
    """Columns of different lengths beside each other, filled up with nulls."""
    rows = max(map(len, columns))
    return pl.DataFrame([each.extend_constant(None, rows - len(each)) for each in columns])


def _chance(method: str, before: pl.Series, now: pl.Series) -> float:
    """The distance that 1 in 200 pairs of samples of so many rows reach without any drift.

    Jensen–Shannon's divergence and PSI follow χ² (k − 1 degrees of freedom) times (1/n + 1/m), the
    first one divided by 8: Grosse et al. 2002, doi:10.1103/PhysRevE.65.041905, equation 26.
    """
    from scipy.stats import chi2

    spread = 1 / len(before) + 1 / len(now)
    if method == "wasserstein":
        return BY_CHANCE * sqrt(spread)
    if method not in DISTANCES:
        return 0.0
    kinds = pl.concat([before, now]).n_unique()
    if before.dtype.is_numeric() and kinds > VALUES:
        kinds = 1 + (len(before) + len(now)).bit_length()  # Evidently's bins, by Sturges's rule
    largest = float(chi2.ppf(0.995, max(kinds - 1, 1))) * spread
    return sqrt(largest / 8) if method == "jensenshannon" else largest


def _decide(drift: Drift, columns: Settings, worse: Sequence[str]) -> None:
    """Whether all this together is drift, and why."""
    features = [each for each in drift.columns if each.feature and each.compared]
    moved = [each for each in features if each.moved]
    drift.share = len(moved) / len(features) if features else 0.0
    if moved and drift.share >= columns.share:
        drift.reasons.append(f"{len(moved)} of {len(features)} features moved")
    outputs = {"prediction": "what is predicted", "probability": "how sure the model is"}
    drift.reasons += [
        f"{outputs[each.name]} moved" for each in drift.columns if not each.feature and each.moved
    ]
    drift.reasons += worse
    drift.detected = bool(drift.reasons)
    if not features:
        drift.notes.append("no feature could be compared")
    if not any(each.compared and not each.feature for each in drift.columns):
        drift.notes.append("the rows have no predictions to compare")
