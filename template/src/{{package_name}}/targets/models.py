"""The registry as a table for the terminal."""

import sys

from rich.console import Console
from rich.table import Table

from ..gate import number
from ..settings import Settings
from ..tracking import Registry


def show(settings: Settings) -> None:
    """Print every version, the newest first, with the metrics that the gate looks at."""
    versions = Registry(**settings.registry.model_dump()).versions()
    if not versions:
        print(f"no version of {settings.registry.name} is registered yet: run `make run` first")
        return
    metrics = list(dict.fromkeys([settings.gate.champion.metric, *settings.gate.floors]))
    table = Table("version", *metrics, "data", "commit", "when", "", title=settings.registry.name)
    for version in versions:
        found = version.metrics
        table.add_row(
            version.number,
            *(number(found[name]) if name in found else "–" for name in metrics),
            f"{version.tags.get('data.source', '')} {version.tags.get('data.train_hash', '')[:8]}",
            version.tags.get("git.commit", "")[:8],
            f"{version.created:%Y-%m-%d %H:%M}",
            "champion" if version.champion else "",
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)
