"""A comparison for people: a table in the terminal, and a page with the numbers first."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ...evaluation.metrics import title_of
from ...evaluation.report import plots, render
from ...evaluation.report.blocks import Block, Cell, Section, Table, figures, note
from ...gate import number
from ...text import listing, shorten
from ..reference_rows import INPUT
from .result import Column, Drift

WIDTH = 80
LINES = 16  # of the terminal's table; those that moved are always there
DRAWN = 12  # columns
BARS = 24
CATEGORIES = 12


def lines(drift: Drift) -> Iterator[str]:
    """The table for a terminal of 80 columns, those columns first that moved."""
    yield f"{drift.model} version {drift.version}: {drift.window or 'no window'}"
    if drift.enough:
        columns = drift.ordered
        moved = sum(each.moved for each in columns)
        some = columns[: max(LINES, moved)]
        wide = min(max([6, *(len(each.name) for each in some)]), 24)
        yield f"  {'column':<{wide}}  {'score':>7}  {'limit':>7}  {'method':<13}  {'rows':>7}"
        for each in some:
            mark = "✗" if each.moved else "✓" if each.compared else "–"
            yield (
                f"{mark} {shorten(each.name, wide):<{wide}}  {_number(each.score):>7}  "
                f"{_number(each.threshold):>7}  {each.method:<13}  {each.rows:>7,}"
            )
            if each.note:
                yield f"    {shorten(each.note, WIDTH - 4)}"
        if len(some) < len(columns):
            yield f"  and {len(columns) - len(some)} more that did not move"
    for quality in drift.performance:
        mark = "✗" if quality.worse else "✓"
        where = f" for {shorten(quality.segment, 24)}" if quality.segment else ""
        text = f"{mark} {quality.metric} {_number(quality.value)}{where}"
        yield f"{text}, was {_number(quality.reference)} ({quality.rows:,} rows)"
    for text in drift.notes:
        yield shorten(f"! {text}", WIDTH)
    yield drift.verdict


def write(
    path: Path, drift: Drift, reference: pl.DataFrame, window: pl.DataFrame, link: str = ""
) -> None:
    """Write the page: readable offline, without scripts; `link` is a file beside it with more."""
    facts = [f"version {drift.version}", drift.window, f"{drift.rows:,} rows", drift.checked]
    sections = [_verdict(drift)]
    if drift.performance:
        sections.append(_performance(drift))
    if drift.enough:
        sections += [_columns(drift), _drawn(drift, reference, window)]
        if link and (path.parent / link).exists():
            text = "Every statistic and plot of Evidently, which computed the scores"
            sections.append(Section("More", [Block("link", text=text, file=link)]))
    page = render(
        "" if not drift.enough else "rejected" if drift.detected else "accepted",
        title=f"{drift.model}: drift",
        facts=[each for each in facts if each],
        sections=sections,
        verdict=sections[0].title.lower(),
    )
    path.write_text(page, encoding="utf-8")


def _verdict(drift: Drift) -> Section:
    titles = {True: "Drift", False: "No drift"}
    title = titles[drift.detected] if drift.enough else "Too few rows to say"
    blocks: list[Any] = [f"{reason[:1].upper()}{reason[1:]}." for reason in drift.reasons]
    if drift.enough:
        compared = [each for each in drift.columns if each.compared]
        moved = [each.name for each in drift.ordered if each.moved]
        text = f"{len(moved)} of {len(compared)} columns moved"
        blocks.append(f"{text}{': ' if moved else ''}{listing(moved)}.")
    blocks += [note(f"{text[:1].upper()}{text[1:]}.") for text in drift.notes]
    rows = f"{drift.rows:,} rows, compared with {drift.reference_rows:,} of the model's own."
    return Section(title, [*blocks, note(rows)])


def _columns(drift: Drift) -> Section:
    rows = [
        (
            each.name,
            Cell("moved", "bad") if each.moved else Cell("same", "good") if each.compared else "–",
            _number(each.score),
            _number(each.threshold),
            each.method or "–",
            f"{each.rows:,}",
            f"{each.missing:.1%}",
            f"{each.missing_before:.1%}",
            each.note or "–",
        )
        for each in drift.ordered
    ]
    head = ("Column", "", "Score", "Limit", "Method", "Rows", "Missing", "Before", "Note")
    how = (
        "A distance (wasserstein, in standard deviations; jensenshannon; psi) moved from its "
        "limit on, a probability (ks, chisquare) below it. A limit is the configured one, or "
        "higher where so few rows reach it by chance."
    )
    return Section("Columns", [Table(head, rows, (2, 3, 5, 6, 7)), note(how)])


def _performance(drift: Drift) -> Section:
    rows = [
        (
            title_of(each.metric),
            each.segment or "all rows",
            Cell(_number(each.value), "bad" if each.worse else ""),
            _number(each.reference),
            f"{each.rows:,}",
        )
        for each in drift.performance
    ]
    head = ("Metric", "Rows with labels", "Now", "Before", "Rows")
    how = "Before: on rows of the reference that training had not seen."
    return Section("Performance", [Table(head, rows, (2, 3, 4)), note(how)])


def _drawn(drift: Drift, reference: pl.DataFrame, window: pl.DataFrame) -> Section:
    """Histograms of the columns that moved furthest."""
    drawn = []
    for each in drift.ordered[:DRAWN]:
        name = f"{INPUT}{each.name}" if each.feature else each.name
        if name in reference.columns and name in window.columns:
            before, now = reference[name].drop_nulls(), window[name].drop_nulls()
            if len(before) and len(now):
                drawn.append(_histogram(each, before, now))
    what = note("Grey: the model's own rows. Orange: the window. Heights are shares of the rows.")
    return Section("Distributions", [what, figures(*drawn)] if drawn else ["Nothing to draw."])


def _histogram(column: Column, before: pl.Series, now: pl.Series) -> plots.Figure:
    title = f"{column.name}{': moved' if column.moved else ''}"
    if before.dtype.is_numeric():
        values = [
            each.cast(pl.Float64, strict=False).drop_nulls().to_numpy() for each in (before, now)
        ]
        return _numbers(title, [each[np.isfinite(each)] for each in values])
    return _categories(title, before.cast(pl.String), now.cast(pl.String))


def _numbers(title: str, both: Sequence[np.ndarray]) -> plots.Figure:
    ends = [np.quantile(values, (0.005, 0.995)) for values in both if len(values)]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    edges = np.linspace(low, high if high > low else low + 1, BARS + 1)
    old, new = (
        np.histogram(values.clip(edges[0], edges[-1]), edges)[0] / max(len(values), 1)
        for values in both
    )
    return plots.chart(title, ("value", "share"), _marks(edges, old, new), y=_top(old, new))


def _categories(title: str, before: pl.Series, now: pl.Series) -> plots.Figure:
    shares = []
    for values in (before, now):
        counts = values.value_counts()
        shares.append(dict(zip(*(each.to_list() for each in counts), strict=True)))
    both = {name: max(share.get(name, 0) for share in shares) for name in shares[0] | shares[1]}
    names = sorted(both, key=lambda name: (-both[name], name))[:CATEGORIES]
    old, new = (
        np.array([share.get(name, 0) for name in names]) / max(len(values), 1)
        for share, values in zip(shares, (before, now), strict=True)
    )
    edges = np.arange(len(names) + 1, dtype=np.float64)
    texts = [
        (place + 0.5, -0.05 * _top(old, new)[1], plots.escape(shorten(name, 72 // len(names))))
        for place, name in enumerate(names)
    ]
    low, high = _top(old, new)
    marks = _marks(edges, old, new)
    return plots.chart(title, ("", "share"), marks, y=(low - 0.08 * high, high), texts=texts)


def _marks(edges: np.ndarray, old: np.ndarray, new: np.ndarray) -> list[plots.Mark]:
    outline = [(edges[0], 0.0)]
    for left, right, height in zip(edges[:-1], edges[1:], new, strict=True):
        outline += [(left, height), (right, height)]
    path = plots.Mark([[*outline, (edges[-1], 0.0)]], "orange", "window")
    return [plots.bars(edges, old, "muted", "reference"), path]


def _top(old: np.ndarray, new: np.ndarray) -> tuple[float, float]:
    return 0.0, 1.08 * float(max(old.max(), new.max(), 0.01))


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else number(value)
