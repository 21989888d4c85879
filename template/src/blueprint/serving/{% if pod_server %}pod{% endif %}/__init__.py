"""A pod's server, `python -m blueprint.serving.pod`: it serves what its pod is pinned to."""

import tempfile
from pathlib import Path

from ...model import SIGNATURE_FILE
from ...registry import store
from ..fetch.pin import Pin, pinned
from ..settings import Serving


def prepare(serving: Serving, name: str) -> Serving:
    """The section for a server whose pod is pinned to a version; elsewhere the same.

    KServe's own storage initializer puts the model's files into the store's folder itself: they
    get a store that points at them. Raises StoreError where the store has another version.
    """
    pin = pinned()
    if pin is None:
        return serving
    folder = serving.folder()
    if (folder / SIGNATURE_FILE).is_file():
        return serving.model_copy(update={"store": adopt(folder, name, pin)})
    deployed = store.current(folder, name)
    if deployed and (deployed.version, deployed.sha256) != (pin.version, pin.sha256):
        raise store.StoreError(
            f"{folder} holds version {deployed.version} of {name} ({deployed.sha256[:12]}), and "
            f"the pod is pinned to version {pin.version} ({pin.sha256[:12]}): `make deploy` again"
        )
    return serving


def adopt(folder: Path, name: str, pin: Pin) -> Path:
    """A store in a temporary folder whose one version is the model in `folder`, by a link.

    Whether the files are the pinned ones is for whoever loads them, as everywhere.
    """
    made = Path(tempfile.mkdtemp(prefix="store-"))
    home = made / name
    home.mkdir()
    store.folder_of(home, pin.version, pin.sha256).symlink_to(folder.resolve())
    pointer = store.Pointer(version=pin.version, sha256=pin.sha256)
    (home / store.POINTER).write_text(pointer.model_dump_json())
    return made
