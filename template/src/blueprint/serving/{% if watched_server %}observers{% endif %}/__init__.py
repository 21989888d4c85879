"""Who is told of each request for predictions: the metrics, the log of predictions.

A room that wants to be told has a module `observer.py` with a function `observer(api)`, which gives
an `Observer`, or None where the configuration asks for none. The server's own code knows none of
them: they are put around its routes before the first request.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np

if TYPE_CHECKING:
    from ..http.app import Api
    from ..http.holder import Served

# The kinds of errors, by status code; none is a client's word, so each may be a label.
KINDS = {
    400: "request",
    404: "name",
    408: "slow_body",
    413: "too_large",
    415: "compressed",
    500: "model",
    503: "busy",
    504: "timeout",
}
NOT_READY, SERVER = "not_ready", "server"  # 503 without a model, 500 by a fault of the server
KEPT_ROWS = 1024  # of the inputs of one request


class Observation(msgspec.Struct, frozen=True, eq=False):
    """A request for predictions that was answered.

    `route` is "v1" or "v2", `kind` what went wrong ("" for nothing), `seconds` are from the head to
    the answer. `inputs` and `outputs` are arrays by name, as the model saw and gave them, of shape
    (n, *shape); None where it did not get so far. Of the inputs, no more than the first KEPT_ROWS
    are kept. They are the server's own: whoever keeps them longer than a moment copies them.
    `predicting` is when rows were read and when predictions were there, in seconds from the start.
    """

    route: str
    code: int
    kind: str
    seconds: float
    request_id: str
    version: str
    rows: int
    inputs: Mapping[str, np.ndarray] | None
    outputs: Mapping[str, np.ndarray] | None
    served: "Served | None"
    predicting: tuple[float, float] | None


class Observer(Protocol):
    """Is told of each request, on the event loop: it may neither block nor raise.

    One that has a method `begin(scope, route)` is told when a request begins, too.
    """

    def observe(self, observation: Observation) -> None: ...


def routes(api: "Api") -> list[Any]:
    """Watch the routes that predict, of every protocol; none of its own."""
    from .watching import watch

    watch(api)
    return []


def paths(name: str, served: "Served") -> dict[str, Any]:
    """Nothing for /openapi.json."""
    return {}
