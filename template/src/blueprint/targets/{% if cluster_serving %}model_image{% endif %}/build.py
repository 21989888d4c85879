"""`make model-image`: a version's files in an image of nothing else, laid out as the store is.

A pod mounts it where it would mount the store: nothing is fetched, no pod needs a login, and the
version before is the digest before. The version's tag `model.image` keeps the digest.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ...errors import UserError
from ...registry import store
from ...registry.client import Registry, Version, connect
from ...settings import Settings
from .. import images
from ..images import Image
from . import IMAGE_TAG, KIND

DOCKERFILE = "FROM scratch\nCOPY --chmod=0755 . /\n"
# What a label of the image says, by the version's tag.
LABELS = {
    "org.opencontainers.image.revision": "git.commit",
    "model.files_sha256": store.FILES_TAG,
    "data.source": "data.source",
    "data.train_hash": "data.train_hash",
    "data.test_hash": "data.test_hash",
    "pipeline.run": "pipeline.run",
}


def reference(settings: Settings, version: str, sha256: str) -> str:
    """What the image of a version is called, without a registry: its tag is the store's folder."""
    folder = store.folder_of(Path(), version, sha256)
    return f"{settings.images.name(KIND)}:{folder}"


def build(settings: Settings, number: str | None, registry: str | None) -> Image:
    """Build the image of a version (default: the champion), push it where a registry is given, and
    keep its digest in the version's tag: what deploys the version reads it there.

    Raises UserError when there is no engine or no such version, its files are not those that were
    registered, or the image cannot be pushed.
    """
    engine, models = images.find_engine(), connect(settings.registry)
    version = models.version(number) if number else models.champion()
    if version is None:
        raise UserError(f"{models.name} has no champion: `make model-image VERSION=…` names one")
    registry = (registry or settings.images.registry or "").rstrip("/")
    with tempfile.TemporaryDirectory() as folder:
        deployed = lay_out(models, version, Path(folder))
        name = reference(settings, version.number, deployed.sha256)
        labels = labels_of(models.name, version, deployed.sha256)
        image = _build(engine, Path(folder), name, labels, version)
    print(f"{image.reference}  {image.megabytes} MB", flush=True)
    images.remember(images.recorded() | {KIND: image})
    if registry:
        image = images.push(settings, registry, [KIND])[KIND]
        models.set_tags(version.number, {IMAGE_TAG: image.pushed})
    else:
        print("it is on this machine alone: `make model-image REGISTRY=…`, or images.registry")
    return image


def lay_out(models: Registry, version: Version, folder: Path) -> store.Deployed:
    """The store with that one version in an empty folder, its files as they were registered."""
    with models.model(version) as directory:
        store.check_registered(directory, version.number, version.tags)
        deployed = store.deploy(directory, version.number, folder, models.name)
    when = version.created.timestamp()  # the same version makes the same layer, whoever builds it
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (when, when))
    return deployed


def labels_of(name: str, version: Version, sha256: str) -> dict[str, str]:
    """What the image says of itself: version, run, data, commit."""
    tags: dict[str, str] = {store.FILES_TAG: sha256, **version.tags}
    fixed = {
        "org.opencontainers.image.title": f"{name}-model",
        "org.opencontainers.image.version": version.number,
        "mlflow.run": version.run_id,
    }
    return fixed | {label: tags[tag] for label, tag in LABELS.items() if tags.get(tag)}


def _build(
    engine: str, folder: Path, name: str, labels: Mapping[str, str], version: Version
) -> Image:
    command = ["buildx", "build", "--load"] if engine == "docker" else ["build"]
    if engine == "docker":
        command += ["--provenance=false"]
    command += ["--build-arg", f"SOURCE_DATE_EPOCH={int(version.created.timestamp())}"]
    for label, value in labels.items():
        command += ["--label", f"{label}={value}"]
    with tempfile.TemporaryDirectory() as outside:
        path = Path(outside) / "Dockerfile"
        path.write_text(DOCKERFILE)
        images.run(engine, [*command, "--file", str(path), "--tag", name, str(folder)])
    size = images.ask(engine, "image", "inspect", "--format", "{{.Size}}", name) or "0"
    return Image(name, labels[store.FILES_TAG], max(1, round(int(size) / 1e6)))
