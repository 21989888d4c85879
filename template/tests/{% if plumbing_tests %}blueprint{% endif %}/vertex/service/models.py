"""The Model Registry: models, their versions, and the aliases of those."""

import re
from typing import TYPE_CHECKING, Any

from google.cloud import aiplatform_v1 as v1
from vertex.service import errors
from vertex.service.listing import listed, update

if TYPE_CHECKING:
    from vertex.service.server import Service

ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}")
LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
IMAGE = re.compile(r"([a-z0-9-]+-docker\.pkg\.dev|([a-z]+\.)?gcr\.io)/.+")
DEDICATED = v1.Model.DeploymentResourcesType.DEDICATED_RESOURCES
CHANGEABLE = ("display_name", "description", "version_description", "labels", "metadata")


def check_labels(labels: Any) -> None:
    """Reject labels that the service would."""
    for key, value in labels.items():
        if not LABEL.fullmatch(key) or not LABEL_VALUE.fullmatch(value) or len(labels) > 64:
            raise errors.invalid("labels", f"The label {key}={value} is not valid.")


class Models:
    """`versions` is what there is: by model, the versions by their numbers."""

    def __init__(self, service: "Service") -> None:
        self.service = service
        self.versions: dict[str, dict[int, Any]] = {}

    def upload_model(self, request: Any) -> Any:
        parent, model = self.service.parent(request.parent), request.model
        image = model.container_spec.image_uri
        if not model.display_name:
            raise errors.invalid("model.display_name", "The display_name is required.")
        if not IMAGE.fullmatch(image):
            text = f"The image {image!r} is not in Artifact Registry."
            raise errors.invalid("model.container_spec.image_uri", text)
        if model.artifact_uri and not model.artifact_uri.startswith("gs://"):
            raise errors.invalid("model.artifact_uri", "artifact_uri must begin with gs://.")
        check_labels(model.labels)
        for alias in model.version_aliases:
            if not ALIAS.fullmatch(alias):
                raise errors.invalid("model.version_aliases", f"The alias {alias!r} is not valid.")
        given = request.parent_model.partition("@")[0]
        identity = given.rpartition("/")[2] or request.model_id or self.service.identity()
        name = f"{parent}/models/{identity}"
        if given and name not in self.versions:
            raise errors.not_found(given)
        if not given and name in self.versions:
            raise errors.exists(name)
        return self.service.begin(
            name, v1.UploadModelOperationMetadata(), lambda: self.add(name, model)
        )

    def add(self, name: str, model: Any) -> Any:
        """Make the next version of a model; its aliases move to it."""
        versions = self.versions.setdefault(name, {})
        number = max(versions, default=0) + 1
        aliases = list(model.version_aliases) + ([] if versions else ["default"])
        kept = v1.Model(model)
        kept.name, kept.version_id, kept.version_aliases = name, str(number), []
        kept.version_create_time = kept.version_update_time = kept.create_time = self.service.now()
        kept.update_time = kept.create_time
        kept.supported_deployment_resources_types = [DEDICATED]
        kept.supported_input_storage_formats = ["jsonl", "bigquery", "csv", "file-list"]
        kept.supported_output_storage_formats = ["jsonl", "bigquery"]
        versions[number] = kept
        self._point(name, number, aliases)
        return v1.UploadModelResponse(model=name, model_version_id=str(number))

    def find(self, text: str) -> Any:
        """The version that `…/models/ID[@number or alias]` names."""
        name, _, wanted = self.service.canonical(text).partition("@")
        for number, model in self.versions.get(name, {}).items():
            if (wanted or "default") in (str(number), *model.version_aliases):
                return model
        raise errors.not_found(text)

    def get_model(self, request: Any) -> Any:
        return self._shown(self.find(request.name))

    def list_models(self, request: Any) -> Any:
        parent = self.service.parent(request.parent)
        mine = [name for name in self.versions if name.startswith(f"{parent}/")]
        found = [self._shown(self.find(name)) for name in mine]
        return listed(found, request, v1.ListModelsResponse, "models")

    def list_model_versions(self, request: Any) -> Any:
        name = self.find(request.name).name
        found = [self._shown(model) for model in self.versions[name].values()]
        return listed(found, request, v1.ListModelVersionsResponse, "models")

    def update_model(self, request: Any) -> Any:
        model = self.find(request.model.name)
        check_labels(request.model.labels)
        update(model, request.model, request.update_mask, CHANGEABLE)
        model.version_update_time = self.service.now()
        return self._shown(model)

    def merge_version_aliases(self, request: Any) -> Any:
        model = self.find(request.name)
        for alias in request.version_aliases:
            bare = alias.removeprefix("-")
            if not ALIAS.fullmatch(bare) or alias == "-default":
                raise errors.invalid("version_aliases", f"The alias {alias!r} is not valid.")
            if alias != bare:
                model.version_aliases = [each for each in model.version_aliases if each != bare]
            else:
                self._point(model.name, int(model.version_id), [alias])
        return self._shown(model)

    def delete_model(self, request: Any) -> Any:
        name = self.find(request.name).name
        self._check_undeployed(name, "")
        return self.service.begin(
            name, v1.DeleteOperationMetadata(), lambda: self.versions.pop(name) and None
        )

    def delete_model_version(self, request: Any) -> Any:
        model = self.find(request.name)
        versions = self.versions[model.name]
        if len(versions) == 1 or "default" in model.version_aliases:
            raise errors.precondition("The default version cannot be deleted: use DeleteModel.")
        self._check_undeployed(model.name, model.version_id)
        return self.service.begin(
            model.name,
            v1.DeleteOperationMetadata(),
            lambda: versions.pop(int(model.version_id)) and None,
        )

    def _point(self, name: str, number: int, aliases: list[str]) -> None:
        for other in self.versions[name].values():
            other.version_aliases = [each for each in other.version_aliases if each not in aliases]
        self.versions[name][number].version_aliases.extend(dict.fromkeys(aliases))

    def _shown(self, model: Any) -> Any:
        shown = v1.Model(model)
        shown.deployed_models = [
            v1.DeployedModelRef(endpoint=endpoint.name, deployed_model_id=each.id)
            for endpoint in self.service.endpoints.made.values()
            for each in endpoint.deployed_models
            if (each.model, each.model_version_id) == (model.name, model.version_id)
        ]
        return shown

    def _check_undeployed(self, name: str, version: str) -> None:
        for endpoint in self.service.endpoints.made.values():
            for each in endpoint.deployed_models:
                if each.model == name and version in ("", each.model_version_id):
                    text = f"The Model {name} is deployed to the Endpoint {endpoint.name}."
                    raise errors.precondition(text)
