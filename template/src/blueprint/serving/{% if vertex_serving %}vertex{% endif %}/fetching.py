"""The model of a container on Vertex AI: from its bucket, all files and the right ones, or none."""

import os
import re
import tempfile
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from ...errors import UserError
from ...model import digest
from ...registry import store
from . import SHA256, VERSION

CHUNK = 4 * 2**20  # bytes that are in memory at a time
SECONDS = 120  # that one file may take
FORMS = {VERSION: (r"[1-9]\d*", "a version's number"), SHA256: ("[0-9a-f]{64}", "a SHA-256")}


def fetch(uri: str, name: str) -> Path:
    """Bring what lies below `uri` (AIP_STORAGE_URI) to a store of its own, and return its folder.

    Raises UserError where the version is not named, or its files are not those that it is of.
    """
    version, sha256 = (_given(variable) for variable in (VERSION, SHA256))
    made = Path(tempfile.mkdtemp(prefix="store-"))
    home = made / name
    folder = store.folder_of(home, version, sha256)
    folder.mkdir(parents=True)
    try:
        download(uri, folder)
    except (BaseError, OSError, ValueError) as error:
        text = " ".join(str(error).split("Debug source")[0].split())[:300]
        raise UserError(
            f"version {version} cannot be fetched from {uri}: {text}: may deploy.service_account "
            "read there?"
        ) from None
    if (found := digest(folder)) != sha256:
        raise UserError(
            f"the files at {uri} are not those that were registered: their SHA-256 is "
            f"{found[:12]}…, version {version} has {sha256[:12]}…"
        )
    pointer = store.Pointer(version=version, sha256=sha256)
    (home / store.POINTER).write_text(pointer.model_dump_json())
    return made


def download(uri: str, folder: Path) -> None:
    """Write every file below a URL to a folder. Raises BaseError, OSError, ValueError."""
    limit = timedelta(seconds=SECONDS)
    options: dict[str, Any] = {
        "client_options": {"allow_http": True, "timeout": limit},
        "retry_config": {"max_retries": 3, "retry_timeout": limit},
    }
    source: Any = from_url(uri, **options)
    sizes = {each["path"]: each["size"] for page in obstore.list(source) for each in page}
    # Some clients mark a folder by an empty object of its name.
    folders = {"", *(str(parent) for name in sizes for parent in PurePosixPath(name).parents)}
    names = [name for name, size in sizes.items() if size or name not in folders]
    if not names:
        raise ValueError("there is no file")
    for name in names:
        if ".." in PurePosixPath(name).parts:
            raise ValueError(f"{name!r} is no name for a file of a model")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as target:
            for chunk in obstore.get(source, name).stream(min_chunk_size=CHUNK):
                target.write(chunk)


def _given(name: str) -> str:
    value, (form, expected) = os.environ.get(name, "").strip(), FORMS[name]
    if not re.fullmatch(form, value):
        raise UserError(f"{name}={value!r}: expected {expected}, as `make deploy` sets it")
    return value
