"""Where the log lies: a folder or a bucket, `<path>/<model>/date=2026-11-27/…parquet`.

A file appears whole or not at all: in a folder by a rename after fsync, in a bucket by one PUT.
"""

import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ...data.storage import Folder, errors

STAGED = "#1"  # behind the name of a file that is not whole yet; obstore's own are named so
STAGED_SECONDS = 3600  # after which nobody is writing it any more
DAY = re.compile(r"date=(\d{4}-\d\d-\d\d)/")
ROWS = re.compile(r"-(\d+)\.parquet$")
TIME = "%Y%m%dT%H%M%S.%fZ"
SECONDS = 10  # that a bucket may take for one request
LABELS = "labels"
CLIENT: dict[str, Any] = {
    "client_options": {
        "allow_http": True,
        "connect_timeout": timedelta(seconds=5),
        "timeout": timedelta(seconds=SECONDS),
    },
    "retry_config": {"max_retries": 1, "retry_timeout": timedelta(seconds=SECONDS)},
}
HOST = re.sub(r"[^A-Za-z0-9]+", "", socket.gethostname())[:40]


class File(NamedTuple):
    """A file of the log: its name below the model's folder, and its size in bytes.

    Its name says when it was written, by which host and process, and how many rows it has.
    """

    name: str
    size: int

    @property
    def day(self) -> date | None:
        """The day, UTC, of the rows in it; None for labels."""
        found = DAY.match(self.name)
        return date.fromisoformat(found[1]) if found else None

    @property
    def written(self) -> datetime | None:
        """When it was written; None for a file of another maker."""
        stamp = self.name.rpartition("/")[2].partition("-")[0]
        with suppress(ValueError):
            return datetime.strptime(stamp, TIME).replace(tzinfo=UTC)
        return None

    @property
    def rows(self) -> int:
        """How many rows it has; 0 for a file of another maker."""
        found = ROWS.search(self.name)
        return int(found[1]) if found else 0


class LogFolder(Folder):
    """The log of one model."""

    def __init__(self, path: str, model: str) -> None:
        super().__init__(f"{path.rstrip('/')}/{model}")

    @cached_property
    def _store(self) -> Any:
        if self.local:
            return super()._store
        from obstore.store import from_url

        with errors(self.path):
            return from_url(self.path, **CLIENT)

    def add(self, folder: str, content: bytes, rows: int) -> str:
        """Put a new file into a folder below, `date=…` or `labels`, and return its name."""
        name = new_name(folder, rows)
        self.write(name, content)
        return name

    def probe(self) -> None:
        """Write a small file and delete it again, or raise the `UserError` that says why not."""
        name = f"probe-{HOST}-{os.getpid()}"
        self.write(name, b"")
        self.delete([name])

    def write(self, name: str, content: bytes) -> None:
        if not self.local:
            from obstore import put

            with errors(self.uri(name)):
                put(self._store, name, content, use_multipart=False)
            return
        path = Path(self.uri(name))
        staged = path.with_name(path.name + STAGED)
        with errors(self.uri(name)):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with staged.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                staged.replace(path)
            except BaseException:
                with suppress(OSError):
                    staged.unlink()
                raise
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def files(self, since: datetime | None = None, until: datetime | None = None) -> list[File]:
        """The files that may hold predictions of a time, in order of their names."""
        end = (until or datetime.now(UTC)).astimezone(UTC).date()
        begin = since.astimezone(UTC).date() if since else end
        days = [begin + timedelta(days=each) for each in range((end - begin).days + 1)]
        # A bucket lists a thousand names a request: those of other days need not be asked for.
        folders = [f"date={day}" for day in days] if since and not self.local else [""]
        found = [file for folder in folders for file in self._below(folder)]
        return [file for file in found if _may_hold(file, since, until)]

    def labels(self, since: datetime | None = None) -> list[File]:
        """The files of labels: those of predictions since then were written later."""
        found = [file for file in self._below(LABELS) if not file.day]
        return [f for f in found if not (since and f.written and f.written < since)]

    def _below(self, folder: str = "") -> list[File]:
        found = self.objects(folder)
        begin = f"{folder}/" if folder else ""
        named = sorted((n, size) for n, size, _ in found if n.startswith(begin))
        return [File(name, size) for name, size in named if name.endswith(".parquet")]

    def objects(self, folder: str = "") -> list[tuple[str, int, str]]:
        if self.local or not folder:
            return super().objects()
        from obstore import list as list_objects

        with errors(self.path):
            pages = list_objects(self._store, prefix=folder)
            return [(o["path"], o["size"], str(o["e_tag"])) for page in pages for o in page]

    def sweep(self, keep_days: int, max_bytes: float) -> "Swept":
        """Delete what is older than `keep_days`, and locally the oldest predictions beyond a size.

        Other processes may do the same at the same time.
        """
        oldest = datetime.now(UTC) - timedelta(days=keep_days)
        old: list[File] = []
        kept: list[File] = []
        for file in self._below():
            written = file.written
            over = file.day < oldest.date() if file.day else bool(written and written < oldest)
            (old if over else kept).append(file)
        kept = [file for file in kept if file.day]
        size = sum(file.size for file in kept)
        beyond: list[File] = []
        while self.local and kept and size > max_bytes:
            beyond.append(kept.pop(0))
            size -= beyond[-1].size
        if self.local:
            old, beyond = [*filter(self._unlink, old)], [*filter(self._unlink, beyond)]
            self._tidy()
        else:
            self.delete(file.name for file in old)
        return Swept(len(old), len(beyond), sum(file.rows for file in beyond))

    def _unlink(self, file: File) -> bool:
        """Delete a file; False where another process was quicker."""
        with errors(self.uri(file.name)):
            try:
                Path(self.uri(file.name)).unlink()
            except FileNotFoundError:
                return False
            return True

    def _tidy(self) -> None:
        """Remove what a killed process had begun to write, and folders of days that are over."""
        today = f"date={datetime.now(UTC):%Y-%m-%d}"
        with errors(self.path):
            for folder in Path(self.path).glob("*/"):
                for staged in _staged(folder):
                    staged.unlink(missing_ok=True)
                if folder.name.startswith("date=") and folder.name < today:
                    with suppress(OSError):  # it is not empty
                        folder.rmdir()


def new_name(folder: str, rows: int) -> str:
    """The name of a new file with so many rows."""
    stamp = datetime.now(UTC).strftime(TIME)
    return f"{folder}/{stamp}-{HOST}-{os.getpid()}-{rows}.parquet"


class Swept(NamedTuple):
    """Numbers of files deleted for their age and for the size of all, and of rows of the latter."""

    old: int
    beyond: int
    rows: int


def _may_hold(file: File, since: datetime | None, until: datetime | None) -> bool:
    day, written = file.day, file.written
    if day is None or (until and day > until.astimezone(UTC).date()):
        return False
    if since is None:
        return True
    return day >= since.astimezone(UTC).date() and not (written and written < since)


def _staged(folder: Path) -> Iterator[Path]:
    for path in folder.glob(f"*{STAGED}"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > STAGED_SECONDS:
                yield path
