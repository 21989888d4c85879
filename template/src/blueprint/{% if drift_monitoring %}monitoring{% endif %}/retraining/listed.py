"""What `make models` says below its table: which versions drift has made, and the newest check."""

from rich.console import Console

from ...registry.client import Registry, Version
from . import history
from .decision import WORDS, rejections

MOST = 5  # versions, the newest


def show(console: Console, registry: Registry, versions: list[Version]) -> None:
    """Print a line for each version that drift has made, for the newest check and for failures."""
    for version in [each for each in versions if each.tags.get("trigger") == "drift"][:MOST]:
        tags = version.tags
        console.print(
            f"{version.number}: trained because {_percent(tags['trigger.share'])} of the features "
            f"of version {tags['trigger.version']} drifted",
            markup=False,
        )
    checked = [each for each in versions if "monitored.at" in each.tags]
    if checked:
        newest = max(checked, key=lambda each: each.tags["monitored.at"])
        tags, when = newest.tags, newest.tags["monitored.at"][:16].replace("T", " ")
        found = tags["monitored.drift"]
        if found != WORDS[None]:
            found = _percent(tags["monitored.share"])
        console.print(
            f"drift of version {newest.number} at {when} UTC: {found}, "
            f"{tags['monitored.rows']} rows\n  {tags['monitored.decision']}",
            markup=False,
        )
    attempts = history.read(registry, versions)
    if row := rejections(attempts):
        trainings = "training was" if row == 1 else f"{row} trainings were"
        console.print(f"! the last {trainings} rejected: `make report` says why")
    if attempts and attempts[-1].outcome == "failed":
        console.print(f"! the training of {attempts[-1].run} failed: see its log")


def _percent(share: str) -> str:
    return f"{float(share):.0%}"
