"""Where parts, records and results lie: a local folder or an object store, by one set of verbs.

What is written appears whole or not at all: a file by a rename, an object by its last request.
"""

import fcntl
import fnmatch
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from ..data import DataError
from ..data.sources.files import find
from ..errors import UserError

WILD = re.compile(r"[*?\[]")
STAGED = re.compile(r"(part-|_|whole).*#\d+")  # how files are named until they are whole


class Folder:
    """A folder by its path or URL; it comes to be with the first thing that is written."""

    def __init__(self, path: str) -> None:
        self.path = path.rstrip("/") or path
        self.local = "://" not in path

    @cached_property
    def _store(self) -> Any:
        if self.local:
            return LocalStore(Path(self.path).absolute(), mkdir=True)
        options: dict[str, Any] = {
            "client_options": {"allow_http": True},
            "retry_config": {"max_retries": 2},
        }
        return from_url(self.path, **options)

    @property
    def _missing(self) -> bool:
        return self.local and not Path(self.path).is_dir()

    def uri(self, name: str) -> str:
        """What Polars reads and writes it by."""
        return f"{self.path}/{name}"

    def names(self) -> list[str]:
        """What lies in it, sorted; not what lies in folders below."""
        return sorted(name for name, _, _ in self.objects() if "/" not in name)

    def objects(self) -> list[tuple[str, int, str]]:
        """Name, size and tag of everything below it."""
        if self._missing:
            return []
        with errors(self.path):
            pages = obstore.list(self._store)
            return [(o["path"], o["size"], str(o["e_tag"])) for page in pages for o in page]

    def head(self, name: str) -> tuple[str, int, str] | None:
        """The same of one file, or None where there is no such file."""
        if self._missing:
            return None
        with errors(self.uri(name)):
            try:
                found = obstore.head(self._store, name)
            except FileNotFoundError:
                return None
            return name, found["size"], str(found["e_tag"])

    def read(self, name: str) -> bytes | None:
        """The content of a file, or None where there is no such file."""
        if self._missing:
            return None
        with errors(self.uri(name)):
            try:
                return bytes(obstore.get(self._store, name).bytes())
            except FileNotFoundError:
                return None

    def stream(self, name: str) -> Iterator[bytes]:
        with errors(self.uri(name)):
            yield from map(bytes, obstore.get(self._store, name).stream())

    def write(self, name: str, content: bytes) -> None:
        """Put a file in place, over the one before it."""
        with errors(self.uri(name)):
            obstore.put(self._store, name, content)

    def write_stream(self, name: str, chunks: Iterable[bytes]) -> None:
        """The same for content that need not fit in memory."""
        with errors(self.uri(name)):
            writer = obstore.open_writer(self._store, name)
            for chunk in chunks:
                writer.write(chunk)
            writer.close()  # the file appears here, and not where an error ended the loop

    def delete(self, names: Iterable[str]) -> None:
        with errors(self.path):
            if names := list(names):
                obstore.delete(self._store, names)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others from writing here for the length of a `with` block; an object store cannot.

        What a killed process had not finished writing is removed, and at the end the folder if it
        is empty. An object store keeps such pieces out of sight, until its own rules end them.
        """
        if not self.local:
            yield
            return
        folder = Path(self.path)
        with errors(self.path):
            folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(folder, os.O_RDONLY)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                text = f"another run writes to {self.path} at this moment"
                raise UserError(text) from None
            for file in folder.iterdir():
                if STAGED.fullmatch(file.name):
                    file.unlink()
            try:
                yield
            finally:
                with suppress(OSError):  # it is not empty
                    folder.rmdir()
        finally:
            os.close(lock)


def split(path: str) -> tuple[Folder, str]:
    """The folder that a file lies in, and its name there."""
    parent, _, name = path.rpartition("/")
    return Folder(parent or ("/" if path.startswith("/") else ".")), name


def fingerprint(path: str) -> str:
    """What changes when one of the files that `path` means does: their names, sizes and times.

    `path` is as the source `files` has it. In an object store the time is the object's tag.
    """
    if "://" not in path:
        stats = [(name, Path(name).stat()) for name in find(path)]
        lines = [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats]
    else:
        base, pattern = _parts(path)
        found = Folder(base).objects()
        lines = [f"{o}" for o in found if fnmatch.fnmatchcase(o[0], pattern)]
    if not lines:
        raise DataError(f"files {path}: no file or key matches")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _parts(url: str) -> tuple[str, str]:
    """The folder of a URL that holds no sign of a glob, and the pattern of the names below it."""
    base = WILD.split(url)[0].rpartition("/")[0]
    rest = url[len(base) + 1 :]
    return base, rest if rest and not rest.endswith("/") else f"{rest}*"


def overlap(source: str, output: str) -> bool:
    """Whether what is written to `output` would be read as a part of `source`."""
    if "://" not in source and "://" not in output:
        source, output = str(Path(source).absolute()), str(Path(output).absolute())
        if Path(source).is_dir():
            source += "/"
    source, output = source.rstrip("*"), output.rstrip("/")
    if WILD.search(source):
        return fnmatch.fnmatchcase(output, source) or fnmatch.fnmatchcase(output, f"{source}/*")
    return output.startswith(source) if source.endswith("/") else output == source


@contextmanager
def errors(path: str) -> Iterator[None]:
    """Say in one line what a store or a disk refuses."""
    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        text = " ".join(str(error).split())
        raise UserError(f"{path}: {text[:200]}") from None
