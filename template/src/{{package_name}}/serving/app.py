"""The HTTP application: the V1 inference protocol, health and metrics.

Bodies are read as JSON whatever their content type says (`curl -d` calls them a form). The body of
every error is `{"error": "..."}`.
"""

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ..model import ModelError
from .holder import Holder, Served
from .metrics import Metrics
from .protocol import RequestError, encode

log = logging.getLogger(__name__)

SLOW_SECONDS = 0.003  # a slower prediction would hold up the other requests: it gets a thread
LARGE_BODY = 64 * 1024  # as does a larger body
BODY_SECONDS = 30.0  # a body that takes longer to arrive is given up
DISCARD = 8  # times the limit that is read and thrown away, so that the client gets to its 413


def create_app(
    store: Path,
    name: str,
    *,
    threads: int | None = 1,
    body_limit: int = 16 * 1024 * 1024,
    poll_seconds: float = 0.5,
    workers: int = 1,
) -> Starlette:
    """The application that serves the store's current model under `name`."""
    holder = Holder(store, threads=threads, poll_seconds=poll_seconds)
    metrics = Metrics(name, holder, shared=workers > 1)

    def find(model: str) -> Served:
        if model.removesuffix(":predict") != name:
            raise HTTPException(404, f"there is no model {model!r} here, only {name!r}")
        if model != name:
            raise HTTPException(405, "Method Not Allowed", {"Allow": "POST"})
        if holder.current is None:
            raise HTTPException(503, "no model is loaded yet")
        return holder.current

    async def status(request: Request) -> Response:
        version = find(request.path_params["name"]).version
        ok = {"error_code": "OK", "error_message": ""}
        return reply(
            {"model_version_status": [{"version": version, "state": "AVAILABLE", "status": ok}]}
        )

    async def metadata(request: Request) -> Response:
        served = find(request.path_params["name"])
        signature = served.model.signature
        return reply({"name": name, "version": served.version, "signature": signature})

    async def healthz(request: Request) -> Response:
        return reply({"status": "ok"})

    async def readyz(request: Request) -> Response:
        return reply({"status": "ok", "version": find(name).version})

    async def scrape(request: Request) -> Response:
        return Response(metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        holder.start()
        gc.collect()
        gc.freeze()  # what is loaded by now stays: collections need not look at it
        yield
        holder.stop()

    app = Starlette(
        routes=[
            Route(
                "/v1/models/{name}:predict", Predict(find, metrics, body_limit), methods=["POST"]
            ),
            Route("/v1/models/{name}", status),
            Route("/v1/models/{name}/metadata", metadata),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", scrape),
        ],
        exception_handlers={HTTPException: refuse, Exception: fail},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


class Predict:
    """POST /v1/models/<name>:predict; an ASGI application of its own, since it must be fast.

    Quick work is done on the event loop, which costs less than handing it to a thread.
    """

    def __init__(self, find: Callable[[str], Served], metrics: Metrics, body_limit: int) -> None:
        self._find = find
        self._metrics = metrics
        self._body_limit = body_limit
        self._pool = ThreadPoolExecutor(thread_name_prefix="predict")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.perf_counter()
        code = 500
        try:
            response = await self._answer(scope, receive)
            code = response.status_code
        except HTTPException as error:
            code = error.status_code
            raise
        finally:
            self._metrics.observe(code, time.perf_counter() - start)
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        served = self._find(scope["path_params"]["name"])
        body = await read_body(scope, receive, self._body_limit)
        try:
            if served.seconds > SLOW_SECONDS or len(body) > LARGE_BODY:
                loop = asyncio.get_running_loop()
                content = await loop.run_in_executor(self._pool, predict, served, body)
            else:
                content = predict(served, body)
        except RequestError as error:
            raise HTTPException(400, str(error)) from error
        except ModelError as error:
            log.error("version %s: %s", served.version, error, exc_info=error.__cause__)
            raise HTTPException(500, f"version {served.version}: {error}") from error
        headers = {"Content-Type": "application/json", "X-Model-Version": served.version}
        return Response(content, headers=headers)


def predict(served: Served, body: bytes) -> bytes:
    """The answer to one request body: all of the work that is not HTTP."""
    return encode(served.model.predict(served.decode(body)))


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The body of a request, at most `limit` bytes, or the HTTPException to answer with."""
    if any(key == b"content-encoding" and value != b"identity" for key, value in scope["headers"]):
        raise HTTPException(415, "Content-Encoding: the body must not be compressed")
    chunks = []
    size = 0
    more = True
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while more and size <= DISCARD * limit:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise HTTPException(400, "the client went away")
                chunk = message.get("body", b"")
                size += len(chunk)
                if size <= limit:
                    chunks.append(chunk)
                more = message.get("more_body", False)
    except TimeoutError as error:
        reason = f"the body took longer than {BODY_SECONDS:.0f} s"
        raise HTTPException(408, reason, {"Connection": "close"}) from error
    if size > limit:
        reason = f"the body is larger than {limit} bytes"
        raise HTTPException(413, reason, {"Connection": "close"})
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def reply(content: Any, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response; dataclasses are encoded as objects."""
    headers = {"Content-Type": "application/json", **(headers or {})}
    return Response(msgspec.json.encode(content), code, headers)


async def refuse(request: Request, error: Exception) -> Response:
    """The answer to an HTTPException, ours or Starlette's."""
    refusal = cast(HTTPException, error)
    return reply({"error": refusal.detail}, refusal.status_code, refusal.headers)


async def fail(request: Request, error: Exception) -> Response:
    """The answer to a fault of the server; Starlette raises it again, so that it is logged."""
    return reply({"error": "the server failed; its log says why"}, 500)
