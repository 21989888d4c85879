"""The model store: the folder that servers read.

`<model name>/<version>-<first 12 of its hash>/` holds an exported model, and the pointer
`<model name>/current.json`, {"version": "3", "sha256": "…"}, names the one in service. The hash is
that of all files, the model's `digest`. Both appear by a rename: nobody reads half of either.
A server imports this module, so it needs no more than `model.py` does.
"""

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from ..errors import UserError
from ..model import SIGNATURE_FILE, ModelError, Signature, digest

POINTER = "current.json"
KEEP = 3
FILES_TAG, MODEL_TAG = "model.files_sha256", "model.sha256"


class StoreError(UserError):
    """A store that cannot be read or written, or files that are not those of their version."""


class Pointer(BaseModel):
    """The content of `current.json`."""

    version: Annotated[str, Field(pattern="^[0-9]+$")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Deployed:
    """A version in the store. `sha256` is that of all files in `folder`, as they should be;
    `written` is when the pointer was, in nanoseconds."""

    version: str
    sha256: str
    folder: Path
    written: int = field(default=0, compare=False)

    def verify(self) -> None:
        """Raise a StoreError unless the files are those that were deployed."""
        repair = f"`make promote VERSION={self.version}` writes version {self.version} again"
        try:
            same = digest(self.folder) == self.sha256
        except OSError as error:
            text = f"{self.folder}: cannot be read ({error.strerror}): {repair}"
            raise StoreError(text) from error
        if not same:
            raise StoreError(f"{self.folder}: is damaged (its SHA-256 differs): {repair}")

    def differs(self, tags: Mapping[str, str]) -> bool:
        """Whether these are other files than those of the registered version with such tags.

        Versions of releases before 0.4.1 know the hash of the model alone, and foreign ones none.
        """
        if FILES_TAG in tags or MODEL_TAG not in tags:
            return tags.get(FILES_TAG, self.sha256) != self.sha256
        try:
            return tags[MODEL_TAG] != Signature.read(self.folder / SIGNATURE_FILE).sha256
        except ModelError:
            return True


def exported(model: str | Path) -> Deployed:
    """An exported model that is not in the store."""
    return Deployed("", digest(Path(model)), Path(model))


def check_registered(model: str | Path, version: str, tags: Mapping[str, str]) -> None:
    """Raise a StoreError unless the exported model is the registered version with such tags."""
    if exported(model).differs(tags):
        tag = FILES_TAG if FILES_TAG in tags else MODEL_TAG
        raise StoreError(
            f"the files of version {version} are not those that were registered (their SHA-256 "
            f"differs from the version's tag {tag}): restore them, or `make run` registers again"
        )


def current(store: str | Path, name: str) -> Deployed | None:
    """The version of that model that is in service, or None before the first one.

    Raises StoreError for a pointer that cannot be read; a pipe in its place does not block.
    """
    path = _home(store, name) / POINTER
    repair = "`make promote VERSION=n` writes it again"
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise StoreError(f"{path}: is no regular file: {repair}")
        pointer = Pointer.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        text = f'{path}: expected {{"version": "3", "sha256": "…"}}: {repair}'
        raise StoreError(text) from error
    folder = folder_of(path.parent, pointer.version, pointer.sha256)
    return Deployed(pointer.version, pointer.sha256, folder, status.st_mtime_ns)


def find(store: str | Path, name: str, version: str) -> Path | None:
    """The folder of that version which was deployed last, if the store still has one."""
    return max(_home(store, name).glob(f"{version}-*"), key=_age, default=None)


def deploy(model: str | Path, version: str, store: str | Path, name: str) -> Deployed:
    """Copy the exported model to the store and put it in service.

    What the store has under this version and hash is replaced when it is damaged. The `KEEP` last
    deployed versions stay. Raises StoreError when the store cannot be written.
    """
    home, sha256 = _home(store, name), digest(Path(model))
    deployed = Deployed(version, sha256, folder_of(home, version, sha256))
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix=".new-") as new:
            if not deployed.folder.is_dir() or digest(deployed.folder) != sha256:
                staged = Path(shutil.copytree(model, Path(new) / "model"))
                if deployed.folder.exists():
                    deployed.folder.replace(Path(new) / "damaged")
                staged.replace(deployed.folder)
            os.utime(deployed.folder)  # its age is what is pruned by
            pointer = Path(new) / POINTER
            pointer.write_text(Pointer(version=version, sha256=sha256).model_dump_json() + "\n")
            if (home / POINTER).is_dir():
                (home / POINTER).replace(Path(new) / "no pointer")
            pointer.replace(home / POINTER)
        versions = (path for path in home.iterdir() if re.fullmatch(r"\d+-\w{12}", path.name))
        others = sorted((path for path in versions if path != deployed.folder), key=_age)
        for old in others[: 1 - KEEP]:
            shutil.rmtree(old)
        _remove_nameless(Path(store))
    except OSError as error:
        raise StoreError(f"{home}: cannot be written (serving.store): {error}") from error
    return deployed


def _home(store: str | Path, name: str) -> Path:
    if name in ("", "..") or Path(name).name != name:
        raise StoreError(f"registry.name {name!r}: expected a name that a folder can have")
    return Path(store) / name


def folder_of(home: Path, version: str, sha256: str) -> Path:
    """The folder of a version among those of its model."""
    return home / f"{version}-{sha256[:12]}"


def _age(folder: Path) -> int:
    return folder.stat().st_mtime_ns


def _remove_nameless(store: Path) -> None:
    """Remove what releases before 0.4.1 left, which does not say whose model it is."""
    if (store / POINTER).is_file():
        for path in store.iterdir():
            if path.name.isdecimal() and (path / SIGNATURE_FILE).exists():
                shutil.rmtree(path)
        (store / POINTER).unlink()
