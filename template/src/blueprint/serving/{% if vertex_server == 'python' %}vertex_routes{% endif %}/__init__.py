"""The paths that Vertex AI asks a server at, AIP_PREDICT_ROUTE and AIP_HEALTH_ROUTE."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ..vertex import HEALTH, PREDICT, variable

if TYPE_CHECKING:
    from ..http.app import Api

OWN = ("/", "/healthz", "/readyz")  # what the server has for the health of any platform


def routes(api: "Api") -> list[Route]:
    """Where Vertex AI asks for predictions and health, unless the server answers there anyway."""
    from ..http.app import read_v1

    own = [*OWN, *(path.format(api.name) for path in (PREDICT, HEALTH))]
    found = []
    if (path := variable("PREDICT_ROUTE")) and path not in own:
        predict = OfModel(api.post(path, read_v1).app, api.name)
        found.append(Route(path, predict, methods=["POST"]))
    if (path := variable("HEALTH_ROUTE")) and path not in own:
        found.append(api.get(path, lambda: {"ready": True, "version": api.find(api.name).version}))
    return found


def paths(name: str, served: Any) -> Mapping[str, Any]:
    """None that clients need to know of: they send requests to the endpoint."""
    return {}


class OfModel:
    """An ASGI application that predicts, where the path does not name the model."""

    def __init__(self, app: Any, name: str) -> None:
        self._app, self._name = app, name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["path_params"] = {"model": self._name}
        await self._app(scope, receive, send)
