"""`make stack`: every part that Flux brings up, whether it is there, and why not."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ....errors import UserError
from ....settings import Settings
from ...connection import Cluster, Object, from_here
from ...deployment import configured
from ..flux import KUSTOMIZATIONS, SOURCES, commit, one_line, ready

RELEASES = "/apis/helm.toolkit.fluxcd.io/v2"
LISTS = (
    ("source", f"{SOURCES}/gitrepositories"),
    ("folder", f"{KUSTOMIZATIONS}/kustomizations"),
    ("release", f"{RELEASES}/helmreleases"),
)


@dataclass(frozen=True)
class Part:
    """A part of the stack: `state` is "ready", "suspended", "waiting" or "failed", `why` says what
    is missing, "" for nothing."""

    kind: str
    name: str
    version: str
    state: str
    why: str


def show(settings: Settings) -> int:
    """Print the table; 0 when every part is there, else 1."""
    found = list(parts(from_here(configured(settings))))
    if not found:
        raise UserError("Flux has nothing on this cluster: `flux bootstrap`, see docs/gitops.md")
    return report(found)


def report(found: list[Part]) -> int:
    """Print the table of those parts; 0 when every one is there, else 1."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="")
    for column in ("part", "version", "ready", "why not"):
        table.add_column(column)
    for part in found:
        colour = {"ready": "green", "failed": "red"}.get(part.state, "yellow")
        named, state = f"{part.kind} {part.name}".strip(), f"[{colour}]{part.state}[/]"
        table.add_row(named, part.version, state, escape(part.why))
    Console(highlight=False).print(table)
    missing = [part.name for part in found if part.state not in ("ready", "suspended")]
    print(f"not there: {', '.join(missing)}" if missing else "everything is there")
    return int(bool(missing))


def parts(cluster: Cluster) -> Iterator[Part]:
    """The parts, sources first, then in the order in which Flux brings them up."""
    for kind, path in LISTS:
        for live in _in_order(cluster.items(path)):
            yield part(kind, live)


def part(kind: str, live: Object) -> Part:
    """What one of Flux's objects says of its part."""
    condition, status = ready(live), live.get("status", {})
    if live["spec"].get("suspend"):
        state, why = "suspended", "switched off: `flux resume` switches it on"
    elif condition.get("status") == "True":
        state, why = "ready", ""
    else:
        failed = condition.get("status") == "False" and condition["reason"] != "DependencyNotReady"
        state = "failed" if failed else "waiting"
        why = ": ".join(filter(None, [condition.get("reason"), one_line(condition)])) or "not seen"
    return Part(kind, live["metadata"]["name"], _version(status), state, why)


def _version(status: Object) -> str:
    """The chart's version, or the commit that was applied."""
    for release in status.get("history", ())[:1]:
        if "chartVersion" in release:
            return str(release["chartVersion"])
    artifact = status.get("artifact") or {}
    return commit(status.get("lastAppliedRevision") or artifact.get("revision"))[:12] or "–"


def _in_order(objects: list[Object]) -> list[Object]:
    """Each after what it depends on, else by name."""
    waiting = sorted(objects, key=lambda each: str(each["metadata"]["name"]))
    ordered: list[Object] = []
    while waiting:
        names = {each["metadata"]["name"] for each in waiting}
        free = [
            each
            for each in waiting
            if not names & {on["name"] for on in each["spec"].get("dependsOn", ())}
        ]
        ordered += free or waiting  # a circle is shown as it is
        waiting = [each for each in waiting if each not in ordered]
    return ordered
