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
from typing import Any

from ..errors import UserError
from ..registry import in_service, store
from ..runs import STATE
from ..settings import Settings
from .facts import fingerprint, of_run

FILE = STATE / "cache" / "last-run.json"
CLIENT = "blueprint.registry.client"  # imports MLflow, which takes a second


def key(settings: Settings, image: str) -> str:
    """A hash of what a run depends on, but for the registry."""
    steps = [settings.pipeline.every, *settings.pipeline.steps.values()]
    again = datetime.now().isoformat() if any(step.cache is False for step in steps) else ""
    parts = [fingerprint(), platform.python_version(), settings.model_dump_json(), image, again]
    return hashlib.sha256(json.dumps([*parts, of_run(settings)["snapshot"]]).encode()).hexdigest()


def since(settings: Settings, key: str) -> str:
    """A text for the person who runs it, "" when there is something to do."""
    try:
        record = json.loads(FILE.read_text())
        if record["key"] != key or not (champion := record["champion"]):
            return ""
        if _champion(settings) != champion or in_service.difference(settings):
            return ""
        if folder := settings.serving.store:
            deployed = store.current(folder, settings.registry.name)
            assert deployed
            deployed.verify()
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return ""
    return (
        f"nothing has changed since the run of {record['time']}: version {champion[0]} is the "
        "champion\n`make run ARGS=--no-cache` trains again"
    )


def remember(settings: Settings, key: str) -> None:
    """Keep what a run that has ended well depended on, and the champion that it left."""
    with suppress(OSError, UserError):
        record = {"key": key, "time": f"{datetime.now():%Y-%m-%d %H:%M}"}
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(json.dumps(record | {"champion": _champion(settings)}))


def _champion(settings: Settings) -> list[Any] | None:
    registry = import_module(CLIENT).Registry(**settings.registry.model_dump(), patient=False)
    champion = registry.champion()
    return [champion.number, champion.run_id] if champion else None
