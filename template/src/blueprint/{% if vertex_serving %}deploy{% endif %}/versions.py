"""The model on Vertex AI: a version of it for each one that the registry's owner deploys.

MLflow's registry stays the source of truth. A version here holds its files' address, the serving
image, and labels that lead back to there: whoever registers the same twice finds it.
"""

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..model import EXAMPLE_FILE, digest
from ..registry.store import FILES_TAG
from ..serving.vertex import HEALTH, LIMIT, PORT, PREDICT, SHA256, VERSION
from ..settings import ENVIRONMENT
from ..targets.vertex.client import errors, service
from .calls import Calls, Object
from .endpoint import Say
from .settings import Deploy, selected

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import types

    from ..registry.client import Registry

CHAMPION = "champion"
HASH = 32  # characters of a hash that a label holds
SHARED_MB, OWN_MB = 1.5, 10  # that a request may have: docs/endpoint.md
UPLOAD_SECONDS = 900


@dataclass(frozen=True)
class Pin:
    """A version of the registry: its number, the hash of all its files, and where they are."""

    version: str
    sha256: str
    uri: str
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return f"version {self.version} ({self.sha256[:12]})"


def resolve(registry: "Registry", number: str | None = None) -> Pin:
    """The version of that number, by default the champion.

    Raises UserError for one that must not be served: the gate rejected it and nobody forced it, or
    its hash is not known.
    """
    version = registry.version(number) if number else registry.champion()
    if version is None:
        raise UserError(
            f"{registry.name} has no champion yet (registry at {registry.uri}): `make submit` "
            "trains one, `make models` lists what there is"
        )
    number, tags = version.number, version.tags
    if not version.accepted and tags.get("promoted.forced") != "true":
        why = tags.get("verdict.reason", "it has no verdict")
        raise UserError(
            f"version {number} was rejected ({why}): `make promote VERSION={number} FORCE=1 "
            'REASON="…"` allows it to be served'
        )
    if FILES_TAG not in tags:
        raise UserError(
            f"version {number} has no tag {FILES_TAG}, so no server could check its files: a run "
            "with this release registers it again"
        )
    with registry.errors("read"):
        uri = str(registry.client.get_model_version_download_uri(registry.name, number))
    labels = {
        "mlflow_version": number,
        "model_sha256": tags[FILES_TAG][:HASH],
        "data_sha256": _label(tags.get("data.train_hash", ""))[:HASH],
        "commit": _label(tags.get("git.commit", "")),
    }
    return Pin(number, tags[FILES_TAG], uri, labels)


def example(registry: "Registry", pin: Pin) -> Mapping[str, Any] | None:
    """A request that was kept with the version, with its answer; None where there is none."""
    from ..registry.client import MODEL

    run, name = registry.version(pin.version).run_id, f"{MODEL}/{EXAMPLE_FILE}"
    with registry.errors("read"), tempfile.TemporaryDirectory() as directory:
        if name not in [each.path for each in registry.client.list_artifacts(run, MODEL)]:
            return None
        path = Path(registry.client.download_artifacts(run, name, directory))
        found: dict[str, Any] = json.loads(path.read_text())
    return found


class Versions:
    """The one model on Vertex AI that stands for a model of the registry."""

    def __init__(self, deploy: Deploy, calls: Calls, model: str) -> None:
        if not re.fullmatch("[a-z_][a-z0-9_-]{0,62}", model):
            raise UserError(
                f"registry.name {model!r} is no name for a model on Vertex AI: small letters, "
                "digits, - and _, a letter first"
            )
        self.deploy, self.calls, self.model = deploy, calls, model
        self.name = f"{calls.vertex.parent}/models/{model}"

    def check(self) -> None:
        """Raise UserError where there is no image to serve any version with."""
        if not self.deploy.image:
            raise UserError(
                "no registry has the serving image: `make images`, then `make push`; or name one "
                "in deploy.image"
            )

    def all(self) -> list[Object]:
        """Every version, the oldest first."""
        found = self.calls.pages(f"{self.name}:listVersions", "models", pageSize=100)
        return sorted(found, key=lambda each: int(each["versionId"]))

    def find(self, pin: Pin) -> Object | None:
        """The version that stands for one of the registry, in the configured image."""
        wanted = self._labels(pin)
        keys = ("mlflow_version", "model_sha256", "image")
        for each in self.all():
            if all(each.get("labels", {}).get(key) == wanted[key] for key in keys):
                return each
        return None

    def register(self, registry: "Registry", pin: Pin, say: Say) -> str:
        """Have a version stand for the registry's, and return its name: `projects/…/models/M@V`.

        Twice is one version. Raises UserError where its files or image are missing.
        """
        self.check()
        self.calls.settle(self.name, UPLOAD_SECONDS)
        if found := self.find(pin):
            return f"{self.name}@{found['versionId']}"
        artifacts = self._publish(registry, pin, say)
        for other in self.all():
            self._unname(other, f"v{pin.version}")
        version = self._upload(pin, artifacts)
        say(f"{pin} is version {version} of model {self.model} on Vertex AI")
        return f"{self.name}@{version}"

    def mark(self, name: str) -> None:
        """Give the alias `champion` to that version, and to no other."""
        version = name.rpartition("@")[2]
        for each in self.all():
            if each["versionId"] != version:
                self._unname(each, CHAMPION)
            elif CHAMPION not in each.get("versionAliases", ()):
                self._merge(each, CHAMPION)

    def _unname(self, version: Object, alias: str) -> None:
        if alias in version.get("versionAliases", ()):
            self._merge(version, f"-{alias}")

    def _merge(self, version: Object, alias: str) -> None:
        vertex = self.calls.vertex
        with errors(vertex):
            service(vertex, "ModelServiceClient").merge_version_aliases(
                name=f"{self.name}@{version['versionId']}", version_aliases=[alias]
            )

    def _upload(self, pin: Pin, artifacts: str) -> str:
        from google.cloud.aiplatform_v1 import types

        vertex, there = self.calls.vertex, self.calls.get(self.name) is not None
        request = types.UploadModelRequest(
            parent=vertex.parent,
            parent_model=self.name if there else "",
            model_id="" if there else self.model,  # so that two that begin at once make one model
            model=self._message(pin, artifacts),
        )
        with errors(vertex):
            began = service(vertex, "ModelServiceClient").upload_model(request)
        try:
            self.calls.wait(began.operation.name, UPLOAD_SECONDS)
        except TimeoutError:
            raise UserError(f"{pin} is not there after {UPLOAD_SECONDS} s: try again") from None
        if found := self.find(pin):
            return str(found["versionId"])
        raise UserError(f"Vertex AI took {pin}, and model {self.model} lacks it")

    def _message(self, pin: Pin, artifacts: str) -> "types.Model":
        from google.cloud.aiplatform_v1 import types

        vertex, deploy = self.calls.vertex, self.deploy
        own = deploy.dedicated or deploy.private_service_connect
        variables = {
            ENVIRONMENT: deploy.environment or selected(),
            VERSION: pin.version,
            SHA256: pin.sha256,
            LIMIT: str(OWN_MB if own else SHARED_MB),
        }
        made = types.Model(
            display_name=self.model,
            version_aliases=[f"v{pin.version}"],
            version_description=f"{pin} of the registry",
            labels={**vertex.labels, **self._labels(pin)},
            artifact_uri=artifacts,
            container_spec=types.ModelContainerSpec(
                image_uri=deploy.image,
                env=[types.EnvVar(name=key, value=value) for key, value in variables.items()],
                ports=[types.Port(container_port=PORT)],
                predict_route=PREDICT.format(self.model),
                health_route=HEALTH.format(self.model),
            ),
        )
        if vertex.encryption_key:
            made.encryption_spec.kms_key_name = vertex.encryption_key
        return made

    def _labels(self, pin: Pin) -> dict[str, str]:
        return {**pin.labels, "image": _label((self.deploy.image or "")[-HASH:])}

    def _publish(self, registry: "Registry", pin: Pin, say: Say) -> str:
        """The folder of a bucket that has the version's files; they are copied to one if need be.

        Copied as the store has them: <model>/<version>-<first 12 of the hash>/.
        """
        if pin.uri.startswith("gs://"):
            return pin.uri
        if not self.deploy.models:
            raise UserError("deploy.models is not set: it names the bucket that servers read from")
        from ..data.storage import Folder

        target = Folder(f"{self.deploy.models}/{self.model}/{pin.version}-{pin.sha256[:12]}")
        there = {name: size for name, size, _ in target.objects()}
        with registry.model(registry.version(pin.version)) as directory:
            if digest(directory) != pin.sha256:
                raise UserError(f"the files of {pin} are not those that were registered")
            for path in sorted(path for path in directory.rglob("*") if path.is_file()):
                name = path.relative_to(directory).as_posix()
                if there.get(name) != path.stat().st_size:
                    with path.open("rb") as file:
                        target.write_stream(name, iter(partial(file.read, 2**20), b""))
        say(f"the files of {pin} are in {target.path}")
        return target.path


def _label(text: str) -> str:
    """A text as a label's value may be."""
    return re.sub("[^a-z0-9_-]", "-", text.lower())[:63]
