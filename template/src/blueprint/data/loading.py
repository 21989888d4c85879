"""The step `load_data`: the configured source, through the owner's function, to data sets."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from textwrap import wrap
from typing import Any

import polars as pl

from . import sources
from .settings import Data
from .split import write_splits

WIDTH = 54  # what a terminal of 80 columns leaves beside a step's name and time


def load(
    load_data: Callable[[pl.LazyFrame], pl.LazyFrame],
    data: Mapping[str, Any],
    outputs: Mapping[str, Any],
    say: Callable[[str], None],
) -> None:
    """Read, check and split the rows that `load_data` makes of the source's.

    `data` is that section of the configuration; `outputs` are KFP's artifacts by the name of the
    set, and get the metadata of theirs. `say` gets a line for people at a time.
    """
    settings = Data.model_validate(data)
    rows, report = sources.read(settings)
    notes: list[str] = []
    splits = write_splits(
        load_data(rows),
        {name: output.path for name, output in outputs.items()},
        settings.split.model_dump(),
        label=settings.label,
        source=settings.origin(),
        task=settings.task,
        nullable=settings.nullable(),
        unlabelled=settings.unlabelled,
        notes=notes,
        explain=partial(sources.explain, settings),
    )
    for name, output in outputs.items():
        output.metadata.update(splits[name].schema.facts() | report.facts())
    counts = [f"{split.schema.rows:,} {name}" for name, split in splits.items()]
    classes = splits[next(iter(splits))].schema.classes
    known = f", {len(classes)} classes" if classes else ""
    lines = [f"{' · '.join(counts)} rows", f"{settings.origin()}{known}"]
    if find_spec("blueprint.data.oddities"):  # of tables
        train = splits[next(iter(splits))]
        notes += import_module("blueprint.data.oddities").notes(train, settings.declared())
    for text in [*lines, *report.lines(), *notes]:
        for line in wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False):
            say(line)
