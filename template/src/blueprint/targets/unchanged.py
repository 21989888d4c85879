"""Has anything changed since the last run? `make run` asks, and stops when nothing has.

What counts: code, packages, Python, configuration, data, the image, the champion, and what is in
service. A doubt costs a run.
"""

import hashlib
import json
import platform
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..registry import in_service, store
from ..runs import STATE
from ..settings import Settings
from .facts import fingerprint, of_run

FILE = STATE / "cache" / "last-run.json"
CLIENT = "blueprint.registry.client"  # imports MLflow, which takes seconds


def key(settings: Settings, image: str) -> str:
    """A hash of what a run depends on, but for the registry and the store."""
    steps = [settings.pipeline.every, *settings.pipeline.steps.values()]
    again = datetime.now().isoformat() if any(step.cache is False for step in steps) else ""
    parts = [fingerprint(), platform.python_version(), settings.model_dump_json(), image, again]
    return hashlib.sha256(json.dumps([*parts, of_run(settings)["snapshot"]]).encode()).hexdigest()


def since(settings: Settings, key: str) -> str:
    """A text for the person who runs it, "" when there is something to do."""
    try:
        record = json.loads(FILE.read_text())
        if record["key"] != key or _deployed(settings) != record["deployed"]:
            return ""
        # A registry in a file is as it was while the file is; others are asked.
        same = record["file"] and _file(settings) == record["file"]
        if not (same or _champion(settings) == record["champion"]):
            return ""
        return (
            f"nothing has changed since the run of {record['time']}: version "
            f"{record['champion'][0]} is the champion\n`make run ARGS=--no-cache` trains again"
        )
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return ""


def remember(settings: Settings, key: str) -> None:
    """Keep what a run that has ended well depended on, and what it left."""
    with suppress(OSError, UserError):
        champion = _champion(settings)
        if champion is None or in_service.difference(settings):
            return
        record = {
            "key": key,
            "time": f"{datetime.now():%Y-%m-%d %H:%M}",
            "champion": champion,
            "deployed": _deployed(settings),
            "file": _file(settings),
        }
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(json.dumps(record))


def _champion(settings: Settings) -> list[Any] | None:
    registry = import_module(CLIENT).Registry(**settings.registry.model_dump(), patient=False)
    champion = registry.champion()
    return [champion.number, champion.run_id] if champion else None


def _deployed(settings: Settings) -> list[str] | None:
    """What is in service, proven by its hash; None where there is no store."""
    if settings.serving.store is None:
        return None
    deployed = store.current(settings.serving.store, settings.registry.name)
    if deployed is None:
        return []
    deployed.verify()
    return [deployed.version, deployed.sha256]


def _file(settings: Settings) -> list[int] | None:
    """What tells two states of a registry in a file apart; None where it is a server."""
    path = settings.registry.tracking_uri.removeprefix("sqlite:///")
    if path == settings.registry.tracking_uri:
        return None
    status = Path(path).stat()
    return [status.st_mtime_ns, status.st_size]
