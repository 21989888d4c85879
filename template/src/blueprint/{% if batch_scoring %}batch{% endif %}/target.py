"""`make batch`: rows in files to files, with the model in service or a registered version."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from ..errors import UserError
from ..model import Model, ModelError
from ..registry import store
from ..settings import Settings
from .progress import Ticker
from .scoring import Summary, score
from .settings import scoring


def run(
    settings: Settings, source: str, output: str, version: str | None = None, *, force: bool = False
) -> Summary:
    """Score, and show how far it is: a bar on a terminal, or else a line at intervals."""
    with _model(settings, version) as (directory, number):
        try:
            model = Model(directory)
        except ModelError as error:
            raise UserError(f"version {number} cannot be loaded: {error}") from None
        with _progress() as report:
            summary = score(
                source, output, model, number, scoring(settings), force=force, report=report
            )
    for line in summary.lines():
        print(line)
    return summary


@contextmanager
def _model(settings: Settings, version: str | None) -> Iterator[tuple[Path, str]]:
    """The model's directory and version, for the length of a `with` block."""
    folder = settings.serving.store
    if version or folder is None:
        from ..registry.client import connect  # it takes a second

        registry = connect(settings.registry)
        found = registry.version(version) if version else registry.champion()
        if found is None:
            raise UserError(f"{registry.name} has no champion: VERSION=3 takes a version")
        with registry.model(found) as directory:
            yield directory, found.number
        return
    deployed = store.current(folder, settings.registry.name)
    if deployed is None:
        raise UserError("no model is in service: `make run` makes one, VERSION=3 takes another")
    deployed.verify()
    yield deployed.folder, deployed.version


@contextmanager
def _progress() -> Iterator:
    if not sys.stdout.isatty():
        yield Ticker(lambda text: print(text, flush=True))
        return
    columns = (BarColumn(), MofNCompleteColumn(), "rows", TimeRemainingColumn())
    with Progress(*columns, console=Console(), transient=True) as bar:
        task = bar.add_task("score")
        yield lambda done, total: bar.update(task, completed=done, total=total)
