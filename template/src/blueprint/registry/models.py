"""The registry for people: its versions as a table, and a version's card."""

import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ..errors import UserError
from ..gate import number
from ..settings import Settings
from ..targets.facts import STATE
from .client import Version, attended
from .in_service import difference

DAY, MINUTE = "%Y-%m-%d", "%Y-%m-%d %H:%M"


def show(settings: Settings) -> None:
    """Print every version, the newest first, with the metrics that the gate looks at."""
    registry = attended(**settings.registry.model_dump())
    versions = registry.versions()
    if not versions:
        print(f"no version of {registry.name} is registered yet: run `make run` first")
        return
    metrics = list(dict.fromkeys([settings.gate.champion.metric, *settings.gate.floors]))
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    # What a narrow terminal has no room for is left out: the time of day, then metrics.
    forms = [(metrics, MINUTE), *((metrics[:most], DAY) for most in range(len(metrics), 0, -1))]
    tables = (_table(registry.name, versions, *form) for form in forms)
    fitting = (each for each in tables if _width(console, each) <= console.width)
    console.print(next(fitting, _table(registry.name, versions, metrics[:1], DAY)))
    if any("dirty" in version.tags.get("git.commit", "") for version in versions):
        console.print("+ there were changes that no commit has")
    if found := difference(settings):
        console.print(f"! {found}", markup=False)


def _table(name: str, versions: list[Version], metrics: list[str], time: str) -> Table:
    table = Table(
        title=f"Versions of {name}",
        title_style="",
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
    )
    for column in ("version", *metrics, "verdict", "data", "commit", "alias", "when"):
        right = column == "version" or column in metrics
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    for version in versions:
        commit, _, dirty = version.tags.get("git.commit", "–").partition("-")
        table.add_row(
            version.number,
            *(number(version.metrics[m]) if m in version.metrics else "–" for m in metrics),
            _verdict(version),
            version.tags.get("data.train_hash", "–")[:7],
            commit[:7] + ("+" if dirty else ""),
            ", ".join(version.aliases),
            f"{version.created:{time}}",
            style="bold" if version.champion else None,
        )
    return table


def _verdict(version: Version) -> str:
    color = "green" if version.accepted else "red"
    return f"[{color}]{version.tags.get('verdict', '–')}[/]"


def _width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(max_width=1000)).maximum


def card(settings: Settings, number: str) -> Path:
    """Fetch the card of version `number`, with what it links, and return the page's path."""
    registry = attended(**settings.registry.model_dump())
    version = registry.version(number)
    folder = STATE / "cards" / number
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    registry.files(version.run_id, folder, [".html", ".md", ".json", ".png"])
    page = folder / "card.html"
    if not page.exists():
        raise UserError(f"version {number} has no card; `make ui` shows its run {version.run_id}")
    return page
