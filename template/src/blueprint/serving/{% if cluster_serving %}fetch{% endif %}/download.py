"""Bring a model's files to a volume: all of them and the right ones, or none."""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import UserError
from ...logins import hide
from ...model import SIGNATURE_FILE, digest
from ...registry import store
from ...settings import Settings, with_login
from .pin import Pin
from .source import Source, within

STAGED = ".fetch-"  # how a folder begins whose files are not whole yet


def into_store(loaded: Settings, pin: Pin) -> str:
    """Put the pinned version in service in `serving.store`; return what was done, in words."""
    folder, name = loaded.serving.folder(), loaded.registry.name
    what = f"version {pin.version} of {name} ({pin.sha256[:12]})"
    deployed = store.current(folder, name)
    if deployed and (deployed.version, deployed.sha256) == (pin.version, pin.sha256):
        try:
            deployed.verify()
        except store.StoreError:
            pass  # fetched again
        else:
            return f"{what} is in {folder} already"
    with staged(folder) as new:
        files = download(open_source(pin.uri, loaded), new, pin)
        # Where the store has it: the volume need not hold it twice.
        target = store.folder_of(folder / name, pin.version, pin.sha256)
        with disk(folder):
            target.parent.mkdir(exist_ok=True)
            if target.exists():
                target.replace(new.with_name(f"{new.name}-damaged"))
            new.replace(target)
        store.deploy(target, pin.version, folder, name)
    return f"{what} is in {folder}: {files}"


def into_folder(loaded: Settings, uri: str, folder: Path, pin: Pin | None) -> str:
    """Put the files themselves into `folder`, as KServe's storage initializers do."""
    with staged(folder) as new:
        files = download(open_source(uri, loaded), new, pin)
        with disk(folder):
            # The signature comes last: without it a folder is no model.
            for path in sorted(new.iterdir(), key=lambda path: path.name == SIGNATURE_FILE):
                target = folder / path.name
                if target.is_dir():
                    shutil.rmtree(target)
                path.replace(target)
    return f"{hide(uri)} is in {folder}: {files}"


def open_source(uri: str, loaded: Settings) -> Source:
    """What a URI names. Raises UserError."""
    from .tracking import artifacts

    registry = with_login(loaded.registry.tracking_uri, "registry", "tracking_uri")
    if proxied := artifacts(uri, registry):
        return proxied
    from .objects import Objects

    return Objects(uri if "://" in uri else Path(uri).absolute().as_uri(), loaded.fetch.seconds)


def download(source: Source, folder: Path, pin: Pin | None) -> str:
    """Write a source's files to an empty folder, and hold them to the pin; say how much it is."""
    files = source.files()
    if not files:
        raise UserError("there is no file: was the run deleted, or is it another bucket?")
    known = sum(file.size or 0 for file in files)
    with disk(folder.parent):
        if known > (free := shutil.disk_usage(folder).free):
            raise OSError(
                errno.ENOSPC, f"the model has {known / 1e6:.2f} MB, {free / 1e6:.2f} are free"
            )
        for file in files:
            path = within(folder, file.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            source.save(file, path)
            if file.size not in (None, path.stat().st_size):
                raise UserError(f"{file.name}: has {path.stat().st_size} of {file.size} bytes")
        if pin and (found := digest(folder)) != pin.sha256:
            raise UserError(
                f"the files are not those that were registered: their SHA-256 is {found[:12]}…, "
                f"pinned is {pin.sha256[:12]}…"
            )
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{len(files)} files, {size / 1e6:.1f} MB"


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A folder beside what is in service, for the length of a `with` block.

    What a killed process had not finished is removed first.
    """
    with disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        clear(folder)
        new = Path(tempfile.mkdtemp(dir=folder, prefix=STAGED))
        new.chmod(0o755)
    try:
        yield new
    finally:
        clear(folder)


def clear(folder: Path) -> None:
    """Remove what is not whole."""
    for left in folder.glob(f"{STAGED}*"):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def disk(folder: Path) -> Iterator[None]:
    """Say in one line what the volume rejects."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = ": give the volume a larger sizeLimit" if full else ""
        raise UserError(f"{folder}: {error.strerror or error}{advice}") from None
