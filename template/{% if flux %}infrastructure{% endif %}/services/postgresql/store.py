"""Backups in the object store: `store.py upload FOLDER`, `store.py download FOLDER`.

$BACKUPS is where they are, in any store that MLflow knows; one folder a backup, named by its time.
After $KEEP days a backup is deleted. $BACKUP names the one to download; without it the newest is.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

FORMAT = "%Y-%m-%dT%H%M%SZ"


def place(name: str = "") -> Any:
    """The store's folder of a backup, or of all."""
    return get_artifact_repository(f"{os.environ['BACKUPS'].rstrip('/')}/{name}".rstrip("/"))


def backups() -> dict[str, datetime]:
    """The names of the backups that are there, and when they were taken; the oldest first."""
    found = {}
    for each in place().list_artifacts():
        name = each.path.rstrip("/").split("/")[-1]
        try:
            found[name] = datetime.strptime(name, FORMAT).replace(tzinfo=UTC)
        except ValueError:  # not one of ours
            continue
    return dict(sorted(found.items()))


def upload(folder: str, now: datetime) -> str:
    """Keep the folder as the backup of now, delete those that are too old, and return its name."""
    name = now.strftime(FORMAT)
    place(name).log_artifacts(folder)
    oldest = now - timedelta(days=int(os.environ.get("KEEP", "30")))
    for old in [each for each, taken in backups().items() if taken < oldest]:
        place(old).delete_artifacts()
    return name


def download(folder: str) -> str:
    """Bring a backup's files into the folder, and return its name. SystemExit where it is not."""
    found, wanted = list(backups()), os.environ.get("BACKUP", "")
    if not found or (wanted and wanted not in found):
        raise SystemExit(f"no backup {wanted} in {os.environ['BACKUPS']}: {', '.join(found)}")
    name = wanted or found[-1]
    place(name).download_artifacts("", folder)
    return name


if __name__ == "__main__":
    doing, where = sys.argv[1:]
    print(doing, upload(where, datetime.now(UTC)) if doing == "upload" else download(where))
