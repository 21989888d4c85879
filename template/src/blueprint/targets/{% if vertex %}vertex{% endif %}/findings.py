"""What Google Cloud says of what a configuration names, by requests that only read.

Each finding is a line of `make doctor`, or a UserError that says what is missing and what to do.
"""

import re
from typing import Any
from urllib.parse import urlsplit

from ...errors import UserError
from ...settings import Settings
from .. import images
from ..facts import fingerprint
from .client import Api, CloudError
from .settings import Step, Vertex

EXAMPLE = re.compile(r"\bexample(-bucket\b|-project\b|\.com\b|\.org\b)")
APIS = ("aiplatform", "artifactregistry", "storage", "logging", "iam")
# What you need to start, to follow and to schedule a run, and the role that has it.
YOURS = ("pipelineJobs.create", "pipelineJobs.get", "schedules.create")
USER = "roles/aiplatform.user"
# What the steps' account needs: in the project, and in the bucket of the artifacts.
OBJECTS = "roles/storage.objectUser"
INCLUDED = {  # what has the same rights, and more
    USER: {"roles/aiplatform.admin", "roles/editor", "roles/owner"},
    OBJECTS: {"roles/storage.objectAdmin", "roles/storage.admin"},
}
IMAGE = re.compile(
    r"(?P<location>[\w-]+)-docker\.pkg\.dev/(?P<project>[\w.:-]+)/(?P<repository>[\w-]+)/"
    r"(?P<name>[\w./-]+?)(:(?P<tag>[\w.-]+))?(@(?P<digest>sha256:\w+))?"
)
CORES = 4  # of the machine that Vertex AI takes where nothing is asked for


class Ground:
    """A configuration, and the APIs that are asked about it. `number` is the project's, "" until
    it has been found: before that, nothing else is asked for."""

    def __init__(self, loaded: Settings, vertex: Vertex) -> None:
        self.loaded, self.vertex, self.api = loaded, vertex, Api(vertex)
        self.bucket, self.number = urlsplit(vertex.pipeline_root).netloc, ""


def project(ground: Ground) -> str:
    name = ground.vertex.project
    if EXAMPLE.search(name):
        raise UserError("vertex.project is still the example's: name your project's id")
    found = ground.api.get("cloudresourcemanager", f"v1/projects/{name}")
    if (state := found.get("lifecycleState", "ACTIVE")) != "ACTIVE":
        raise UserError(f"vertex.project: {name} is {state}: restore it, or name another")
    ground.number = str(found.get("projectNumber", "-"))
    return f"{name} ({ground.number})"


def apis(ground: Ground) -> str:
    prefix = f"projects/{ground.vertex.project}/services"
    names = [f"{prefix}/{api}.googleapis.com" for api in APIS]
    found = ground.api.get("serviceusage", f"v1/{prefix}:batchGet", names=names)
    on = {
        each["name"].rpartition("/")[2]
        for each in found.get("services", [])
        if each.get("state") == "ENABLED"
    }
    missing = [f"{api}.googleapis.com" for api in APIS if f"{api}.googleapis.com" not in on]
    if missing:
        raise UserError(f"not enabled: `gcloud services enable {' '.join(missing)}`")
    return ", ".join(APIS)


def region(ground: Ground) -> str:
    ground.api.get("aiplatform", f"v1/{ground.vertex.parent}/pipelineJobs", pageSize=1)
    return ground.vertex.location


def your_roles(ground: Ground) -> str:
    wanted = [f"aiplatform.{name}" for name in YOURS]
    path = f"v1/projects/{ground.vertex.project}:testIamPermissions"
    held = ground.api.post("cloudresourcemanager", path, {"permissions": wanted})
    if missing := {*wanted} - {*held.get("permissions", [])}:
        raise UserError(
            f"you lack {USER} in project {ground.vertex.project} ({', '.join(sorted(missing))}): "
            "who owns it grants it"
        )
    return USER


def account(ground: Ground) -> str:
    email = ground.vertex.service_account
    if email is None or EXAMPLE.search(email):
        raise UserError(
            "vertex.service_account is not set: name one that may do what steps need and no more; "
            "without it they run as Compute Engine's own, which may often change everything"
        )
    path = f"v1/projects/-/serviceAccounts/{email}"
    try:
        found = ground.api.get("iam", path)
    except CloudError as error:
        if error.code != 404:
            raise
        name = email.partition("@")[0]
        raise UserError(
            f"there is no {email}: `gcloud iam service-accounts create {name}`"
        ) from None
    if found.get("disabled"):
        raise UserError(f"{email} is disabled: `gcloud iam service-accounts enable {email}`")
    act = {"permissions": ["iam.serviceAccounts.actAs"]}
    if not ground.api.post("iam", f"{path}:testIamPermissions", act).get("permissions"):
        raise UserError(f"you lack roles/iam.serviceAccountUser on {email}: grant it there alone")
    return email


def account_roles(ground: Ground) -> str:
    """Roles that a folder, the organization or a group gives are not seen."""
    member = f"serviceAccount:{ground.vertex.service_account}"
    path = f"v1/projects/{ground.vertex.project}:getIamPolicy"
    try:
        project = ground.api.post("cloudresourcemanager", path, {})
        bucket = ground.api.get("storage", f"storage/v1/b/{ground.bucket}/iam")
    except CloudError as error:
        if error.code not in (403, 404):
            raise
        return "not checked: you may not read who may do what, or there is no bucket"
    held, missing = _held(project, member), []
    if _lacks(held, USER):
        missing.append(f"{USER} in the project")
    if _lacks(held | _held(bucket, member), OBJECTS):
        missing.append(f"{OBJECTS} on gs://{ground.bucket}")
    if missing:
        raise UserError(f"the service account lacks {' and '.join(missing)}: docs/vertex.md")
    return f"{USER}, {OBJECTS}"


def _held(policy: dict[str, Any], member: str) -> set[str]:
    bindings = policy.get("bindings", [])
    return {each["role"] for each in bindings if member in each.get("members", [])}


def _lacks(held: set[str], role: str) -> bool:
    own = any(each.startswith(("projects/", "organizations/")) for each in held)
    return not (own or held & {role, *INCLUDED[role]})


def bucket(ground: Ground) -> str:
    name, location = ground.bucket, ground.vertex.location
    if EXAMPLE.search(name):
        raise UserError("vertex.pipeline_root is still the example's: name your bucket")
    try:
        found = ground.api.get("storage", f"storage/v1/b/{name}")
    except CloudError as error:
        if error.code == 403:
            raise UserError(f"gs://{name} is not yours, or you may not see it: {error}") from None
        if error.code != 404:
            raise
        make = f"gcloud storage buckets create gs://{name} --location={location}"
        raise UserError(
            f"there is no gs://{name}: `{make} --uniform-bucket-level-access`"
        ) from None
    if str(found.get("projectNumber")) != ground.number:
        raise UserError(f"gs://{name} belongs to project {found.get('projectNumber')}, not yours")
    place = str(found.get("location", "")).lower()
    near = location.startswith(place) if place in ("eu", "us", "asia") else "-" not in place
    if place != location and not near:
        raise UserError(f"gs://{name} is in {place}, and vertex.location is {location}: use one")
    return f"gs://{name} in {place}"


def image(ground: Ground) -> str:
    name = ground.loaded.pipeline.image
    if not name:
        image = images.recorded().get("pipeline")
        if image is None or not image.pushed:
            raise UserError(
                "Vertex AI pulls the image from Artifact Registry: `make images`, then `make push "
                f"REGISTRY={ground.vertex.location}-docker.pkg.dev/{ground.vertex.project}/NAME`"
            )
        if image.code != fingerprint():
            old = f"the code is no longer that of {image.reference}"
            raise UserError(f"{old}: `make images` and `make push` again")
        name = image.pushed
    found = IMAGE.fullmatch(name)
    if not found:
        raise UserError(f"{name} is not in Artifact Registry (…-docker.pkg.dev/PROJECT/REPOSITORY)")
    place = "v1/projects/{project}/locations/{location}/repositories/{repository}".format(
        **found.groupdict()
    )
    package = found["name"].replace("/", "%2F")
    one = f"versions/{found['digest']}" if found["digest"] else f"tags/{found['tag'] or 'latest'}"
    try:
        ground.api.get("artifactregistry", f"{place}/packages/{package}/{one}")
    except CloudError as error:
        if error.code != 404:
            raise
        raise UserError(f"Artifact Registry has no {name}: `make push` puts it there") from None
    return str(name)


def quotas(ground: Ground) -> str:
    """The limit of what one machine of each kind needs; what others use meanwhile is not known."""
    wanted: dict[str, float] = {}
    pipeline = ground.loaded.pipeline
    for step in [pipeline.every, *(pipeline.step(name) for name in pipeline.steps)]:
        for metric, amount in _needs(step).items():
            wanted[metric] = max(amount, wanted.get(metric, 0))
    service = f"projects/{ground.vertex.project}/locations/global/services"
    path = f"v1/{service}/aiplatform.googleapis.com/quotaInfos"
    try:
        found = [*ground.api.pages("cloudquotas", path, "quotaInfos", pageSize=500)]
    except CloudError as error:
        if error.code != 403:
            raise
        return "not checked: `gcloud services enable cloudquotas.googleapis.com`"
    texts = []
    for metric, amount in wanted.items():
        limits = [_limit(e, ground.vertex.location) for e in found if e.get("metric") == metric]
        limit = max((each for each in limits if each is not None), default=None)
        name = metric.partition("/")[2]
        if limit is not None and limit < amount:
            raise UserError(
                f"{name}: a step needs {amount:g}, the limit in {ground.vertex.location} is "
                f"{limit:g}: ask for more on the project's page of quotas, or configure less"
            )
        texts.append(f"{name} {'unlimited' if limit is None or limit < 0 else f'{limit:g}'}")
    return ", ".join(texts)


def _needs(step: Step) -> dict[str, float]:
    """What the machine of a step takes of the quotas for custom training, which are pipelines'."""
    prefix = "aiplatform.googleapis.com/custom_model_training"
    needs = {f"{prefix}_cpus": float(step.cpu or CORES)}
    if step.accelerator:
        kind = step.accelerator.type.lower().replace("nvidia_tesla_", "nvidia_")
        needs[f"{prefix}_{kind}_gpus"] = step.accelerator.count
    return needs


def _limit(info: dict[str, Any], location: str) -> float | None:
    """The limit in that region; None where it has none of its own."""
    for each in info.get("dimensionsInfos", []):
        where = each.get("dimensions", {}).get("region")
        places = [where] if where else each.get("applicableLocations", [])
        if location in places and (value := each.get("details", {}).get("value")) is not None:
            return float("inf") if float(value) < 0 else float(value)
    return None
