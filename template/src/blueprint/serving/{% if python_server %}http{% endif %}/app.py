"""The HTTP application: the V1 inference protocol, health, metrics, and a page to try it.

Other folders of `serving` add what a project asked for. Bodies are read as JSON whatever their
content type says (`curl -d` calls them a form).
"""

import contextlib
import gc
import logging
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ...model import ModelError
from .. import features
from ..settings import Serving
from . import openapi, v1
from .holder import Holder, Served
from .metrics import Metrics
from .requests import LARGE_BODY, Bodies, Requests, fail, printable, reject, reply, send_all
from .work import Slices, Work, Write

log = logging.getLogger(__name__)

Read = Callable[[Served, Scope, bytes], tuple[Slices, Write]]
PAGE = Path(__file__).with_name("docs.html")


class Api:
    """What all routes share: the model in service, the work on requests, and the metrics."""

    def __init__(self, serving: Serving, name: str, *, shared: bool) -> None:
        self.name = name
        self.holder = Holder(
            serving.folder(), name, threads=serving.threads, poll_seconds=serving.poll_seconds
        )
        self.metrics = Metrics(name, self.holder, shared=shared)
        others = (each.work(serving) for each in features() if hasattr(each, "work"))
        self.work: Work = next(others, None) or Work(serving)
        limit, total = int(serving.max_body_mb * 2**20), int(serving.max_bodies_mb * 2**20)
        self._body_limits = (limit, serving.timeout_seconds, total)

    def find(self, model: str, version: str | None = None) -> Served:
        """The model that a path names; or the HTTPException to answer with."""
        if model.removesuffix(":predict") != self.name:
            text = f"there is no model {printable(model, v1.LONGEST)!r} here, only {self.name!r}"
            raise HTTPException(404, text)
        if model != self.name:
            raise HTTPException(405, "Method Not Allowed", {"Allow": "POST"})
        current = self.holder.current
        if current is None:
            raise HTTPException(503, "no model is loaded yet", {"Retry-After": "1"})
        if version not in (None, current.version):
            text = f"version {printable(version, v1.LONGEST)!r} is not in service"  # type: ignore[arg-type]
            raise HTTPException(404, f"{text}, {current.version!r} is")
        return current

    def post(self, path: str, read: Read) -> Route:
        """A route that predicts: `read` says what a request asks, and how its answer is written."""
        return Route(path, Infer(self, read, Bodies(*self._body_limits)), methods=["POST"])

    def get(self, path: str, answer: Callable[..., Any]) -> Route:
        """A route that answers JSON; `answer` takes what the path names."""

        async def endpoint(request: Request) -> Response:
            return reply(answer(**request.path_params))

        return Route(path, endpoint)


def create_app(serving: Serving, name: str, *, shared: bool = False) -> Requests:
    """The application that serves the store's current model under `name`.

    `shared` metrics are those of all processes, which several workers share anyway. The holder is
    `app.state.holder`.
    """
    api = Api(serving, name, shared=shared or serving.workers > 1)
    protocols = {each: each.routes(api) for each in features() if hasattr(each, "routes")}

    def status(model: str) -> Any:
        ok = {"error_code": "OK", "error_message": ""}
        version = {"version": api.find(model).version, "state": "AVAILABLE", "status": ok}
        # TF Serving's, and the two words that KServe's clients look for.
        return {"name": name, "ready": True, "model_version_status": [version]}

    def metadata(model: str) -> Any:
        served = api.find(model)
        return {"name": name, "version": served.version, "signature": served.model.signature}

    def ready() -> Any:
        return {"ready": True, "status": "ok", "version": api.find(name).version}

    def live() -> Any:
        return {"live": True, "status": "alive"}

    def description() -> Any:
        served = api.find(name)
        more = {path: each for p in protocols for path, each in p.paths(name, served).items()}
        return openapi.describe(name, served, more)

    async def scrape(request: Request) -> Response:
        return Response(api.metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def page(request: Request) -> Response:
        return Response(PAGE.read_bytes(), media_type="text/html")

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        api.holder.start()
        gc.collect()
        gc.freeze()  # what is loaded by now stays: collections need not look at it
        yield
        api.holder.stop()

    app = Starlette(
        routes=[
            api.post("/v1/models/{model}:predict", read_v1),
            *(route for routes in protocols.values() for route in routes),
            api.get("/v1/models", lambda: {"models": [name]}),
            api.get("/v1/models/{model}", status),
            api.get("/v1/models/{model}/metadata", metadata),
            api.get("/", live),
            api.get("/healthz", live),
            api.get("/readyz", ready),
            api.get("/openapi.json", description),
            Route("/metrics", scrape),
            Route("/docs", page),
        ],
        exception_handlers={HTTPException: reject, Exception: fail},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.holder = api.holder
    return Requests(app, log_all=serving.log_requests)


class Infer:
    """POST of a request for predictions; an ASGI application of its own, since it must be fast."""

    def __init__(self, api: Api, read: Read, bodies: Bodies) -> None:
        self._api, self._read, self._bodies = api, read, bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.perf_counter()
        code = 500
        body = answer = b""
        try:
            try:
                served = self._api.find(**scope["path_params"])
                body = await self._bodies.read(scope, receive)
                response = await self._answer(served, scope, body)
                code = response.status_code
            except HTTPException as error:
                code = error.status_code
                raise
            finally:
                self._api.metrics.observe(code, time.perf_counter() - start)
            answer = bytes(response.body)
            self._bodies.hold(answer)
            await send_all(response, scope, receive, send)
        finally:
            self._bodies.release(body, answer)

    async def _answer(self, served: Served, scope: Scope, body: bytes) -> Response:
        try:
            content, headers = await self._api.work(
                served, lambda: self._read(served, scope, body), len(body)
            )
        except v1.RequestError as error:
            raise HTTPException(400, str(error)) from error
        except ModelError as error:
            log.error("version %s: %s", served.version, error, exc_info=error.__cause__)
            raise HTTPException(500, f"version {served.version}: {error}") from error
        return Response(content, headers={**headers, "X-Model-Version": served.version})


def read_v1(served: Served, scope: Scope, body: bytes) -> tuple[Slices, Write]:
    """What a V1 request asks, and how its answer is written."""
    headers = {"Content-Type": "application/json"}
    slices = [served.v1(body)] if len(body) <= LARGE_BODY else served.v1.slices(body)
    return slices, lambda predictions: (v1.encode(predictions), headers)
