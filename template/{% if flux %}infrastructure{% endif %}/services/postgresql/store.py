"""Backups in the object store: `store.py upload FOLDER`, `store.py download FOLDER`.

$BACKUPS is where they are, in any store that MLflow knows; one folder a backup, named by its time.
$KEEP days later a backup is deleted. $BACKUP names the one to download; without it the newest is.
"""

import os
import sys
from datetime import UTC, datetime, timedelta

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

FORMAT = "%Y-%m-%dT%H%M%SZ"


def taken(name: str) -> datetime | None:
    """When a backup was taken; None for what is no backup."""
    try:
        return datetime.strptime(name, FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


def upload(folder: str, now: datetime) -> str:
    """Keep the folder as the backup of now, and delete those that are too old; its name."""
    root, name = os.environ["BACKUPS"].rstrip("/"), now.strftime(FORMAT)
    get_artifact_repository(f"{root}/{name}").log_artifacts(folder)
    oldest = now - timedelta(days=int(os.environ.get("KEEP", "30")))
    for each in names():
        if taken(each) < oldest:  # type: ignore[operator]
            get_artifact_repository(f"{root}/{each}").delete_artifacts()
    return name


def names() -> list[str]:
    """The backups that are there, the newest last."""
    listed = get_artifact_repository(os.environ["BACKUPS"]).list_artifacts()
    found = (each.path.rstrip("/").split("/")[-1] for each in listed if each.is_dir)
    return sorted(name for name in found if taken(name))


def download(folder: str) -> str:
    """Bring a backup's files into the folder; its name. Raises SystemExit where there is none."""
    found, wanted = names(), os.environ.get("BACKUP", "")
    if not found or (wanted and wanted not in found):
        raise SystemExit(f"no backup {wanted} in {os.environ['BACKUPS']}: {', '.join(found)}")
    name = wanted or found[-1]
    root = os.environ["BACKUPS"].rstrip("/")
    get_artifact_repository(f"{root}/{name}").download_artifacts("", folder)
    return name


if __name__ == "__main__":
    doing, where = sys.argv[1:]
    print(doing, upload(where, datetime.now(UTC)) if doing == "upload" else download(where))
