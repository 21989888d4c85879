"""What is put around the routes that predict: it tells the observers how each request went."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ... import rooms
from ..http.app import Api, Read
from ..http.holder import Served
from ..http.requests import REQUEST_ID
from ..http.work import Answer, Slices, Write
from . import KEPT_ROWS, KINDS, NOT_READY, SERVER, Observation, Observer

log = logging.getLogger(__name__)

SEEN = "blueprint.seen"  # in a request's scope


class Seen:
    """What is known of a request while it is under way."""

    __slots__ = ("inputs", "outputs", "predicted", "read", "served")

    def __init__(self) -> None:
        self.served: Served | None = None
        self.inputs: Mapping[str, np.ndarray] | None = None
        self.outputs: np.ndarray | None = None
        self.read = self.predicted = 0.0


class Watched:
    """An ASGI application that answers requests for predictions by another, and tells of them."""

    def __init__(self, app: ASGIApp, route: str, api: Api, observers: list[Observer]) -> None:
        self._app, self._route, self._holder = app, route, api.holder
        self._begin = [each.begin for each in observers if hasattr(each, "begin")]
        self._observe = [each.observe for each in observers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.perf_counter()
        seen = scope[SEEN] = Seen()
        for begin in self._begin:
            begin(scope, self._route)
        code, kind = 500, SERVER
        try:
            await self._app(scope, receive, send)
            code, kind = 200, ""
        except HTTPException as error:
            code = error.status_code
            kind = KINDS.get(code, SERVER)
            if code == 503 and self._holder.current is None:
                kind = NOT_READY
            raise
        finally:
            if seen.outputs is not None and code != 200:  # answered, but the client was gone
                code, kind = 200, ""
            self._tell(seen, code, kind, start)

    def _tell(self, seen: Seen, code: int, kind: str, start: float) -> None:
        served, inputs, outputs = seen.served, seen.inputs, seen.outputs
        rows, answered = 0, None
        if outputs is not None and served:
            rows, answered = len(outputs), {served.model.signature.output.name: outputs}
        elif inputs:
            rows = len(next(iter(inputs.values())))
        observation = Observation(
            self._route,
            code,
            kind,
            time.perf_counter() - start,
            REQUEST_ID.get(),
            served.version if served else "",
            rows,
            inputs,
            answered,
            served,
            (seen.read - start, (seen.predicted or time.perf_counter()) - start)
            if seen.read
            else None,
        )
        for observe in self._observe:
            try:
                observe(observation)
            except Exception:  # what watches must not be what fails
                log.exception("an observer failed")


def watch(api: Api) -> None:
    """Have the routes that `api` makes from now on tell the project's observers."""
    made = [room.observer(api) for room in rooms("observer")]
    observers = [each for each in made if each is not None]
    post: Callable[[str, Read], Route] = api.post

    def watched(path: str, read: Read) -> Route:
        route = post(path, keeping(read))
        route.app = Watched(route.app, path[1:3], api, observers)
        return route

    if observers:
        api.post = watched  # type: ignore[method-assign]


def keeping(read: Read) -> Read:
    """The same `read`, which notes in the request's scope what was read and what was answered."""

    def reading(served: Served, scope: Scope, body: bytes) -> tuple[Slices, Write]:
        seen: Seen = scope[SEEN]
        seen.served = served
        slices, write = read(served, scope, body)
        seen.read = time.perf_counter()

        def writing(predictions: np.ndarray) -> Answer:
            seen.predicted = time.perf_counter()
            answer = write(predictions)
            seen.outputs = predictions
            return answer

        if isinstance(slices, list) and len(slices) == 1:
            seen.inputs = first_rows(slices[0])
            return slices, writing
        return noted(seen, slices), writing

    return reading


def noted(seen: Seen, slices: Slices) -> Iterator[Any]:
    """The same slices; the first is kept. The others of a large request would hold its memory."""
    rest = iter(slices)
    for first in islice(rest, 1):
        seen.inputs = first_rows(first)
        yield first
    yield from rest


def first_rows(inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """The first KEPT_ROWS rows."""
    if len(next(iter(inputs.values()))) <= KEPT_ROWS:
        return inputs
    return {name: array[:KEPT_ROWS] for name, array in inputs.items()}
