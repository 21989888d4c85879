"""The registry for people: its versions as a table, a version's card, the newest report."""

import json
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .. import rooms
from ..errors import UserError
from ..evaluation.report import summarize
from ..gate import number
from ..runs import STATE, newest
from ..settings import Settings
from .client import Version, connect
from .in_service import difference

WIDE = 100  # columns of a terminal with room for the time of day


def show(settings: Settings) -> None:
    """Print every version, the newest first, with the metrics that the gate looks at."""
    registry = connect(settings.registry)
    versions = registry.versions()
    if not versions:
        print(f"no version of {registry.name} is registered yet: run `make run` first")
        return
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    metrics = list(dict.fromkeys([settings.gate.champion.metric, *settings.gate.floors]))
    table, endless = _table(versions, metrics, console), console.options.update(max_width=1000)
    while len(metrics) > 1 and console.measure(table, options=endless).minimum > console.width:
        table = _table(versions, metrics := metrics[:-1], console)
    print(f"Versions of {registry.name}")
    console.print(table)
    if any("dirty" in version.tags.get("git.commit", "") for version in versions):
        console.print("+ there were changes that no commit has")
    for room in rooms("listed"):
        room.show(console, registry, versions)
    if warning := difference(settings):
        console.print(f"! {warning}", markup=False)


def _table(versions: list[Version], metrics: list[str], console: Console) -> Table:
    time = "%Y-%m-%d %H:%M" if console.width >= WIDE else "%Y-%m-%d"
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in ("version", *metrics, "verdict", "data", "commit", "alias", "when"):
        right = column == "version" or column in metrics
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    for version in versions:
        commit, _, dirty = version.tags.get("git.commit", "–").partition("-")
        table.add_row(
            version.number,
            *(number(version.metrics[m]) if m in version.metrics else "–" for m in metrics),
            f"[{'green' if version.accepted else 'red'}]{version.tags.get('verdict', '–')}[/]",
            version.tags.get("data.train_hash", "–")[:7],
            commit[:7] + ("+" if dirty else ""),
            ", ".join(version.aliases),
            f"{version.created:{time}}",
            style="bold" if version.champion else None,
        )
    return table


def card(settings: Settings, number: str) -> Path:
    """Fetch the card of version `number`, with what it links, and return the page's path."""
    registry = connect(settings.registry)
    version = registry.version(number)
    folder = STATE / "cards" / number
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    registry.files(version.run_id, folder, [".html", ".md", ".json", ".png"])
    page = folder / "card.html"
    if not page.exists():
        raise UserError(f"version {number} has no card; `make ui` shows its run {version.run_id}")
    return page


def newest_report() -> Path:
    """Copy the newest evaluation's page to .mlops/report.html, as KFP's files have no suffix; a
    summary in Markdown is beside it: report.md."""
    artifact, page = newest("evaluate-model/report"), STATE / "report.html"
    shutil.copyfile(artifact, page)
    verdict = json.loads(artifact.with_name("verdict").read_text())
    page.with_suffix(".md").write_text(summarize(verdict), encoding="utf-8")
    return page
