"""The HTTP application: the V1 and V2 inference protocols, health, metrics, and a page to try it.

Bodies are read as JSON whatever their content type says (`curl -d` calls them a form).
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

from ..model import ModelError
from . import openapi, v1, v2
from .holder import Holder, Served
from .http import LARGE_BODY, Bodies, Requests, fail, refuse, reply, send_all
from .metrics import Metrics
from .settings import Serving
from .values import RequestError, cut
from .work import Predict, Slices, Work, Write

log = logging.getLogger(__name__)

Read = Callable[[Served, Scope, bytes], tuple[Slices, Write]]
DIGITS = 15  # of a number of bytes; Python reads no more than 4,300
PAGE = Path(__file__).with_name("docs.html")


def create_app(
    serving: Serving, name: str, predict: Predict | None = None, *, shared: bool = False
) -> Requests:
    """The application that serves the store's current model under `name`.

    `predict` takes the place of the model's own `predict`: see `Work`. `shared` metrics are those
    of all processes, which several workers share anyway. The holder is `app.state.holder`.
    """
    holder = Holder(
        serving.folder(), name, threads=serving.threads, poll_seconds=serving.poll_seconds
    )
    metrics = Metrics(name, holder, shared=shared or serving.workers > 1)
    work = Work(serving, predict)

    def find(model: str, version: str | None = None) -> Served:
        if model.removesuffix(":predict") != name:
            raise HTTPException(404, f"there is no model {cut(model)!r} here, only {name!r}")
        if model != name:
            raise HTTPException(405, "Method Not Allowed", {"Allow": "POST"})
        if holder.current is None:
            raise HTTPException(503, "no model is loaded yet", {"Retry-After": "1"})
        if version not in (None, holder.current.version):
            there = holder.current.version
            raise HTTPException(404, f"version {cut(version)!r} is not in service, {there!r} is")
        return holder.current

    def asked(request: Request) -> Served:
        return find(**request.path_params)

    async def status(request: Request) -> Response:
        ok = {"error_code": "OK", "error_message": ""}
        version = {"version": asked(request).version, "state": "AVAILABLE", "status": ok}
        # TF Serving's, and the two words that KServe's clients look for.
        return reply({"name": name, "ready": True, "model_version_status": [version]})

    async def metadata(request: Request) -> Response:
        served = asked(request)
        signature = served.model.signature
        return reply({"name": name, "version": served.version, "signature": signature})

    async def metadata_v2(request: Request) -> Response:
        served = asked(request)
        return reply(v2.metadata(served.model.signature, name, served.version))

    async def model_ready(request: Request) -> Response:
        asked(request)
        return reply({"name": name, "ready": True})

    async def server_v2(request: Request) -> Response:
        return reply({"name": name, "version": "2", "extensions": ["binary_tensor_data"]})

    async def live(request: Request) -> Response:
        return reply({"live": True, "status": "alive"})

    async def ready(request: Request) -> Response:
        return reply({"ready": True, "status": "ok", "version": find(name).version})

    async def models(request: Request) -> Response:
        return reply({"models": [name]})

    async def scrape(request: Request) -> Response:
        return Response(metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def description(request: Request) -> Response:
        return reply(openapi.describe(name, find(name)))

    async def page(request: Request) -> Response:
        return Response(PAGE.read_bytes(), media_type="text/html")

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        holder.start()
        gc.collect()
        gc.freeze()  # what is loaded by now stays: collections need not look at it
        yield
        holder.stop()

    def post(path: str, read: Read) -> Route:
        return Route(path, Infer(find, read, work, metrics, serving), methods=["POST"])

    def read_v2(served: Served, scope: Scope, body: bytes) -> tuple[Slices, Write]:
        return exchange_v2(name, served, scope, body)

    app = Starlette(
        routes=[
            post("/v1/models/{model}:predict", exchange_v1),
            post("/v2/models/{model}/infer", read_v2),
            post("/v2/models/{model}/versions/{version}/infer", read_v2),
            Route("/v1/models", models),
            Route("/v1/models/{model}", status),
            Route("/v1/models/{model}/metadata", metadata),
            Route("/v2", server_v2),
            Route("/v2/health/live", live),
            Route("/v2/health/ready", ready),
            Route("/v2/models/{model}", metadata_v2),
            Route("/v2/models/{model}/ready", model_ready),
            Route("/v2/models/{model}/versions/{version}", metadata_v2),
            Route("/v2/models/{model}/versions/{version}/ready", model_ready),
            Route("/", live),
            Route("/healthz", live),
            Route("/readyz", ready),
            Route("/metrics", scrape),
            Route("/openapi.json", description),
            Route("/docs", page),
        ],
        exception_handlers={HTTPException: refuse, Exception: fail},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.holder = holder
    return Requests(app, log_all=serving.log_requests)


class Infer:
    """POST of a request for predictions; an ASGI application of its own, since it must be fast."""

    def __init__(
        self,
        find: Callable[..., Served],
        read: Read,
        work: Work,
        metrics: Metrics,
        serving: Serving,
    ) -> None:
        self._find = find
        self._read = read
        self._work = work
        self._metrics = metrics
        limit, total = int(serving.max_body_mb * 2**20), int(serving.max_bodies_mb * 2**20)
        self._bodies = Bodies(limit, serving.timeout_seconds, total)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.perf_counter()
        code = 500
        body = answer = b""
        try:
            try:
                served = self._find(**scope["path_params"])
                body = await self._bodies.read(scope, receive)
                response = await self._answer(served, scope, body)
                code = response.status_code
            except HTTPException as error:
                code = error.status_code
                raise
            finally:
                self._metrics.observe(code, time.perf_counter() - start)
            answer = bytes(response.body)
            self._bodies.hold(answer)
            await send_all(response, scope, receive, send)
        finally:
            self._bodies.release(body, answer)

    async def _answer(self, served: Served, scope: Scope, body: bytes) -> Response:
        try:
            content, headers = await self._work(
                served, lambda: self._read(served, scope, body), len(body)
            )
        except RequestError as error:
            raise HTTPException(400, str(error)) from error
        except ModelError as error:
            log.error("version %s: %s", served.version, error, exc_info=error.__cause__)
            raise HTTPException(500, f"version {served.version}: {error}") from error
        return Response(content, headers={**headers, "X-Model-Version": served.version})


def exchange_v1(served: Served, scope: Scope, body: bytes) -> tuple[Slices, Write]:
    """What a V1 request asks, and how its answer is written."""
    headers = {"Content-Type": "application/json"}
    slices = [served.v1(body)] if len(body) <= LARGE_BODY else served.v1.slices(body)
    return slices, lambda predictions: (v1.encode(predictions), headers)


def exchange_v2(name: str, served: Served, scope: Scope, body: bytes) -> tuple[Slices, Write]:
    """What a V2 request asks, and how its answer is written."""
    inputs, request = served.v2(body, _json_bytes(scope))
    output = served.model.signature.output

    def write(predictions: Any) -> tuple[bytes, dict[str, str]]:
        content, head = v2.encode(request, predictions, output, name, served.version)
        if head is None:
            return content, {"Content-Type": "application/json"}
        binary = {"Content-Type": "application/octet-stream", v2.HEADER_LENGTH.decode(): str(head)}
        return content, binary

    return [inputs], write


def _json_bytes(scope: Scope) -> int | None:
    """How much of a V2 body is JSON, where the header says so."""
    for key, value in scope["headers"]:
        if key == v2.HEADER_LENGTH:
            if not value.isdigit() or len(value) > DIGITS:
                raise RequestError("Inference-Header-Content-Length: expected a number of bytes")
            return int(value)
    return None
