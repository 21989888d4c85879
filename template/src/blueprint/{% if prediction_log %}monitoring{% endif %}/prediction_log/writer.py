"""The writer of the log: a buffer that requests are copied into, and a thread that empties it.

Whatever happens to the folder or bucket, the buffer has a size: what does not fit is dropped and
counted by reason. The thread writes what it took as files, and tries again while that fails.
"""

import logging
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from .files import LogFolder, new_name
from .settings import PredictionLog
from .table import Entry, encode, groups

log = logging.getLogger(__name__)

OVERLOAD = "overload"  # requests came faster than they could be written
STORAGE = "storage"  # the folder or bucket took nothing, until the buffer was full
LARGE = "large"  # rows of one request beyond those that the server keeps
FAULT = "fault"  # they could not be made a file
MAX_MB = "max_mb"  # the oldest in the folder, deleted for its size
END = "end"  # the server ended before they were written
REASONS = (OVERLOAD, STORAGE, LARGE, FAULT, MAX_MB, END)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between two attempts to write
END_SECONDS = 5  # for what is left when the server ends
SWEEP_SECONDS = 3600  # between two looks for files that are too old
SWEEP_SHARE = 0.05  # of max_mb that is written between two looks
WARN_SECONDS = 60  # between two lines that say the same


class Counts(Protocol):
    """Who is told what became of the rows."""

    def wrote(self, rows: int) -> None: ...

    def dropped(self, reason: str, rows: int) -> None: ...


class Part(NamedTuple):
    """A file that waits to be written; tried again, it has the same name, and is there once."""

    name: str
    content: bytes
    rows: int


class Writer:
    """Takes requests by `put`, which never waits, and writes them in a thread of its own.

    `put` is told how many bytes a request holds, as its sender estimates.
    """

    def __init__(
        self, folder: LogFolder, section: PredictionLog, key: bytes, counts: Counts
    ) -> None:
        self._folder, self._section, self._key, self._counts = folder, section, key, counts
        self._most, self._flush_rows = int(section.buffer_mb * 2**20), section.flush_rows
        self._waiting: deque[tuple[Entry, int]] = deque()
        self._parts: deque[Part] = deque()
        self._rows = self._size = self._held = 0
        self._failing, self._pause, self._warned = "", 0.0, float("-inf")
        self._next_sweep = self._room = 0.0
        self._lock, self._full, self._end = threading.Lock(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def put(self, entry: Entry, size: int) -> None:
        """Keep a request until it is written; or drop it, when the buffer is full."""
        rows = len(entry.outputs)
        with self._lock:
            fits = self._size + size <= self._most
            if fits:
                self._waiting.append((entry, size))
                self._size += size
                self._rows += rows
        if not fits:
            self._counts.dropped(STORAGE if self._failing else OVERLOAD, rows)
        elif self._rows >= self._flush_rows and not self._full.is_set():
            self._full.set()

    def stop(self, seconds: float = END_SECONDS) -> None:
        """Write what is left, within that time; what is not written by then is dropped."""
        self._end.set()
        self._full.set()
        self._thread.join(seconds)
        left = self._rows + sum(part.rows for part in [*self._parts])
        if left:
            self._counts.dropped(END, left)
            log.error("%d logged predictions are lost: %s", left, self._failing or "no time left")

    def _run(self) -> None:
        while not self._end.is_set():
            if self._failing:
                self._end.wait(self._pause)
            else:
                self._full.wait(self._section.flush_seconds)
            self._full.clear()
            self._flush()
            if not self._failing and (self._room < 0 or time.monotonic() >= self._next_sweep):
                self._sweep()
        self._flush()

    def _flush(self) -> None:
        """Write what waits now, not what comes meanwhile; stop at the first failure."""
        left = self._rows
        while self._write() and left > 0:
            left -= self._encode()

    def _encode(self) -> int:
        """Make files of the requests that came first: of flush_rows rows, or all. Says how many."""
        entries, size, rows = [], 0, 0
        while self._waiting and rows < self._flush_rows:
            entry, bytes_ = self._waiting.popleft()
            entries.append(entry)
            size, rows = size + bytes_, rows + entry.rows
        with self._lock:
            self._rows -= rows
        self._held += size
        for group in groups(entries):
            lines = sum(entry.rows for entry in group)
            try:
                content = encode(group, self._section, self._key)
            except Exception:  # what one request holds must not end the log
                self._counts.dropped(FAULT, lines)
                self._warn("predictions could not be logged", trace=True)
                continue
            day = datetime.fromtimestamp(group[0].time, UTC)
            self._parts.append(Part(new_name(f"date={day:%Y-%m-%d}", lines), content, lines))
        return rows

    def _write(self) -> bool:
        """Write the files that wait. False when one of them is not taken."""
        while self._parts:
            part = self._parts[0]
            try:
                self._folder.write(part.name, part.content)
            except Exception as error:
                self._failing = str(error)
                self._pause = min(2 * self._pause or FIRST_PAUSE, LONGEST_PAUSE)
                self._warn(f"predictions are not logged, tried again: {error}")
                return False
            self._parts.popleft()
            self._room -= len(part.content)
            self._counts.wrote(part.rows)
        if self._failing:
            log.info("predictions are logged again")
        self._failing, self._pause = "", 0.0
        with self._lock:
            self._size -= self._held
        self._held = 0
        return True

    def _sweep(self) -> None:
        """Delete what is too old or too much."""
        most = self._section.max_mb * 2**20
        self._room = most * SWEEP_SHARE
        self._next_sweep = time.monotonic() + SWEEP_SECONDS
        try:
            swept = self._folder.sweep(self._section.keep_days, most)
        except Exception as error:
            self._warn(f"old predictions are not deleted: {error}")
            return
        if swept.old:
            log.info("deleted %d files of predictions: over prediction_log.keep_days", swept.old)
        if swept.beyond:
            self._counts.dropped(MAX_MB, swept.rows)
            log.warning("deleted the %d oldest files: over prediction_log.max_mb", swept.beyond)

    def _warn(self, text: str, *, trace: bool = False) -> None:
        if time.monotonic() - self._warned >= WARN_SECONDS:
            self._warned = time.monotonic()
            log.warning("%s", text, exc_info=trace)
