"""What can be fetched from: a folder of files, wherever it lies."""

from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from ...errors import UserError

WAITS = (0.5, 1, 2)  # seconds before each further try at what may be up by then


class File(NamedTuple):
    """A file by its path below the folder, and its bytes; None where the place does not say."""

    name: str
    size: int | None


class Source(Protocol):
    """A folder that holds a model. What goes wrong is a UserError, or the disk's OSError."""

    def files(self) -> list[File]:
        """Every file below the folder."""
        ...

    def save(self, file: File, path: Path) -> None:
        """Write the file's content to a path of this machine, in pieces."""
        ...


def within(folder: Path, name: str) -> Path:
    """Where a file goes, below the folder: whatever another machine calls it."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise UserError(f"{name!r} is no name for a file of a model")
    return folder.joinpath(*parts)
