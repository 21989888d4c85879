"""The model store: the folder that servers read.

`<version>/` holds an exported model, `current.json` names the version in service. Both appear by
an atomic rename, so that a reader never sees half of either.
"""

import json
import shutil
import tempfile
from pathlib import Path

from .model import SIGNATURE_FILE

CURRENT = "current.json"
KEEP = 3


def current(store: str | Path) -> str | None:
    """The version in service, or None before the first one."""
    try:
        return str(json.loads((Path(store) / CURRENT).read_text())["version"])
    except FileNotFoundError:
        return None


def deploy(model: str | Path, version: str, store: str | Path) -> None:
    """Copy the exported model to the store, put it in service, and drop all but recent versions."""
    store = Path(store)
    store.mkdir(parents=True, exist_ok=True)
    target = store / version
    with tempfile.TemporaryDirectory(dir=store, prefix=".new-") as new:
        if not target.exists():
            staged = Path(new) / version
            shutil.copytree(model, staged)
            staged.replace(target)
        elif _signature(target) == _signature(Path(model)):
            # The same model, exported to more files since: what is there stays, as it is in use.
            for part in Path(model).iterdir():
                if not (target / part.name).exists():
                    _copy(part, Path(new) / part.name).replace(target / part.name)
        pointer = Path(new) / CURRENT
        pointer.write_text(json.dumps({"version": version}) + "\n")
        pointer.replace(store / CURRENT)
    versions = sorted((path for path in store.iterdir() if path.name.isdigit()), key=_number)
    for old in versions[:-KEEP]:
        if old != target:
            shutil.rmtree(old)


def _signature(model: Path) -> str | None:
    file = model / SIGNATURE_FILE
    return file.read_text() if file.exists() else None


def _copy(source: Path, target: Path) -> Path:
    return Path((shutil.copytree if source.is_dir() else shutil.copy)(source, target))


def _number(path: Path) -> int:
    return int(path.name)
