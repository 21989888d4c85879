"""The registry as a table for the terminal."""

import sys

from rich.console import Console
from rich.table import Table

from ..settings import Settings
from ..tracking import Registry


def show(settings: Settings) -> None:
    """Print every version, the newest first, with the metrics that the gate looks at."""
    versions = Registry(**settings.registry.model_dump()).versions()
    if not versions:
        print(f"no version of {settings.registry.name} is registered yet: run `make run` first")
        return
    metrics = sorted({*settings.gate.floors, settings.gate.champion.metric})
    table = Table("version", *metrics, "data", "commit", "when", "", title=settings.registry.name)
    for version in versions:
        table.add_row(
            version.number,
            *(f"{version.metrics.get(name, float('nan')):.4f}" for name in metrics),
            f"{version.tags.get('data.source', '')} {version.tags.get('data.train_hash', '')[:8]}",
            version.tags.get("git.commit", "")[:8],
            f"{version.created:%Y-%m-%d %H:%M}",
            "champion" if version.champion else "",
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)
