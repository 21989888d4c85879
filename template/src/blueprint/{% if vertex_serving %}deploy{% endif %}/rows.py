"""What a deployment needs, as rows of `make doctor`: nothing is changed."""

from .. import settings as configuration
from ..errors import UserError
from ..options import Check
from ..settings import Settings
from ..targets import images
from ..targets.vertex.client import Api
from .deployment import open_endpoint
from .status import difference

# What `make deploy` does there; the last is for a canary.
RIGHTS = (
    *(f"aiplatform.endpoints.{verb}" for verb in ("create", "deploy", "get", "predict")),
    *(f"aiplatform.endpoints.{verb}" for verb in ("undeploy", "update")),
    *(f"aiplatform.models.{verb}" for verb in ("get", "list", "update", "upload")),
    "monitoring.timeSeries.list",
)


def checks() -> list[Check]:
    """Rows for the doctor's table; none for a configuration without an endpoint."""
    try:
        loaded = configuration.load()
    except UserError:
        return []  # the row `configuration` says why
    if loaded.deploy is None or loaded.vertex is None:
        return []
    return [
        ("endpoint", lambda: _endpoint(loaded), True),
        ("rights there", lambda: _rights(loaded), True),
        ("serving image", lambda: _image(loaded), True),
        ("served there", lambda: _served(loaded), False),
    ]


def _endpoint(loaded: Settings) -> str:
    endpoint = open_endpoint(loaded)
    live = endpoint.live()
    if live is None:
        return f"none is called {endpoint.deploy.endpoint} yet: `make deploy` makes it"
    if problem := endpoint.problem(live):
        raise UserError(problem)
    return f"{endpoint.deploy.endpoint} in {endpoint.vertex.location}"


def _rights(loaded: Settings) -> str:
    vertex, wanted = loaded.vertex, {"permissions": [*RIGHTS]}
    path = f"v1/projects/{vertex.project}:testIamPermissions"
    held = Api(vertex).post("cloudresourcemanager", path, wanted).get("permissions", ())
    if missing := [each for each in RIGHTS if each not in held]:
        raise UserError(
            f"you may not {', '.join(missing)}: who owns project {vertex.project} grants "
            "roles/aiplatform.user and roles/monitoring.viewer"
        )
    return "deploy, follow and take back"


def _image(loaded: Settings) -> str:
    image = images.recorded().get("serving")
    named = loaded.deploy.image or (image.pushed if image else "")
    if not named:
        raise UserError("it comes from Artifact Registry: `make images`, then `make push`")
    if "-docker.pkg.dev/" not in named:
        raise UserError(
            f"{named}: Vertex AI takes it from Artifact Registry alone: images.registry"
        )
    return str(named)


def _served(loaded: Settings) -> str:
    if problem := difference(loaded):
        raise UserError(problem)
    endpoint = open_endpoint(loaded)
    return f"{endpoint.deployed()[0].name}, the registry's champion"
