"""Which version a pod serves: three annotations of its template, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import UserError
from ..targets.model_image import IMAGE_TAG

VERSION, SHA256, URI = (f"model.blueprint/{key}" for key in ("version", "sha256", "uri"))
SCHEMES = ("s3", "gs", "az", "abfss", "http", "https", "mlflow-artifacts")  # what pods can read


@dataclass(frozen=True)
class Pin:
    """A version: its number, the hash of all its files, and where they are.

    `image` has the same files (`make model-image`), "" for none: no pod says it in its annotations.
    """

    version: str
    sha256: str
    uri: str
    image: str = field(default="", compare=False)

    @property
    def annotations(self) -> dict[str, str]:
        return {VERSION: self.version, SHA256: self.sha256, URI: self.uri}

    def __str__(self) -> str:
        return f"version {self.version} ({self.sha256[:12]})"


def pinned(annotations: Mapping[str, str] | None) -> Pin | None:
    """The version that annotations name, or None where they name none yet."""
    found = [(annotations or {}).get(key, "") for key in (VERSION, SHA256, URI)]
    return Pin(*found) if found[0] else None


def mounted(live: Mapping[str, Any]) -> str:
    """The image that the pods of a Deployment mount their model from, "" where they fetch it."""
    volumes = live["spec"].get("template", {}).get("spec", {}).get("volumes", ())
    return next((each["image"]["reference"] for each in volumes if "image" in each), "")


def resolve(registry: Any, number: str | None = None) -> Pin:
    """The version of that number, by default the champion, as pods find it.

    Raises UserError for one that must not be served: the gate rejected it and nobody forced it, its
    hash is not known, or its files are where no pod can read them.
    """
    from ..registry.store import FILES_TAG

    version = registry.version(number) if number else registry.champion()
    if version is None:
        raise UserError(
            f"{registry.name} has no champion yet (registry at {registry.uri}): `make submit` "
            "trains one, `make models` lists what there is"
        )
    number = version.number
    if not version.accepted and version.tags.get("promoted.forced") != "true":
        why = version.tags.get("verdict.reason", "it has no verdict")
        raise UserError(
            f"version {number} was rejected ({why}): `make promote VERSION={number} FORCE=1 "
            'REASON="…"` allows it to be served'
        )
    if FILES_TAG not in version.tags:
        raise UserError(
            f"version {number} has no tag {FILES_TAG}, so no pod could check its files: a run with "
            "this release registers it again"
        )
    with registry.errors("read"):
        uri = str(registry.client.get_model_version_download_uri(registry.name, number))
    if uri.partition(":")[0] not in SCHEMES:
        raise UserError(
            f"the files of version {number} are at {uri}, where no pod reads them: "
            "registry.tracking_uri must be a server whose artifacts are in a bucket or served by it"
        )
    return Pin(number, version.tags[FILES_TAG], uri, version.tags.get(IMAGE_TAG, ""))
