"""What a person who approves a version needs to know of it, as Markdown."""

import getpass
from contextlib import suppress
from typing import Any

from ...errors import UserError
from ...gate import number
from ..pin import Pin

SHORT = 12  # characters of a hash
LABELS = {
    "verdict": "gate",
    "verdict.reason": "why",
    "data.train_hash": "training data",
    "git.commit": "code",
    "trigger": "trained because of",
    "monitored.at": "drift looked for",
    "monitored.drift": "drift",
    "promoted.by": "promoted by",
    "promoted.reason": "reason",
}


def evidence(registry: Any, pin: Pin, before: Pin | None, run: str = "") -> str:
    """The version beside the one it replaces: metrics, the gate's word, data, drift, who and which
    run; then its card. `run` is the pipeline's, "" for a person's command."""
    version = registry.version(pin.version)
    other = None
    with suppress(UserError):  # it may no longer be in the registry
        other = registry.version(before.version) if before else None
    rows = [("version", f"{pin.version} (`{pin.sha256[:SHORT]}`)", _short(before))]
    for name in sorted({*version.metrics} & {*(other or version).metrics}):
        rows.append((name, number(version.metrics[name]), _metric(other, name)))
    for tag, label in LABELS.items():
        if tag in version.tags:
            rows.append((label, _cell(version.tags[tag]), _cell(_tag(other, tag))))
    rows.append(("MLflow run", f"`{version.run_id}`", ""))
    asked = f"the pipeline's run {run}" if run else _user()
    head = ["| | asked for | in service |", "|---|---|---|"]
    table = [f"| {name} | {new} | {old} |" for name, new, old in rows]
    text = [*head, *table, "", f"Asked for by {asked}. Reverting this commit takes it back.", ""]
    return "\n".join([*text, _card(registry, pin)])


def _short(pin: Pin | None) -> str:
    return f"{pin.version} (`{pin.sha256[:SHORT]}`)" if pin else "none"


def _metric(version: Any, name: str) -> str:
    return number(version.metrics[name]) if version else ""


def _tag(version: Any, tag: str) -> str:
    return str(version.tags.get(tag, "")) if version else ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", r"\|").split())[:200]


def _card(registry: Any, pin: Pin) -> str:
    """The short card that the registry has of it."""
    with registry.errors("read"):
        found = registry.client.get_model_version(registry.name, pin.version)
    return str(found.description or "")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
