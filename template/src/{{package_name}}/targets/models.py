"""The registry as a table for the terminal."""

from rich.console import Console
from rich.table import Table

from .. import settings
from ..tracking import Registry


def show(registry: settings.Registry) -> None:
    """Print every version, the newest first."""
    versions = Registry(**registry.model_dump()).versions()
    if not versions:
        print(f"no version of {registry.name} is registered yet: run `make run` first")
        return
    metrics = sorted({name for v in versions for name in v.metrics if "/" not in name})
    table = Table("version", *metrics, "data", "commit", "when", "", title=registry.name)
    for version in versions:
        table.add_row(
            version.number,
            *(f"{version.metrics[m]:.4f}" if m in version.metrics else "" for m in metrics),
            f"{version.tags.get('data.source', '')} {version.tags.get('data.train_hash', '')[:8]}",
            version.tags.get("git.commit", "")[:8],
            f"{version.created:%Y-%m-%d %H:%M}",
            "champion" if version.champion else "",
        )
    Console().print(table)
