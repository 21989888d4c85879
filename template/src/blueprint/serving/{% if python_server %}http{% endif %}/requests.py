"""HTTP without the protocols: ids and a line of log a request, bodies within limits, JSON replies.

The body of every error is `{"error": "..."}`.
"""

import asyncio
import ctypes
import logging
import re
import time
from contextvars import ContextVar
from typing import Any, cast
from uuid import uuid4

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from ...text import shorten

log = logging.getLogger(__name__)

DISCARD = 8  # times the limit that is read and thrown away, so that the client gets to its 413
LARGE_BODY = 64 * 1024  # bytes; what is larger is worked on in a thread, and counted
CHUNK = 256 * 1024  # bytes of an answer that are handed over at a time
LONGEST_ERROR, LONGEST_PATH = 500, 128  # characters
ID = re.compile(rb"[\w.-]{1,64}")  # of a request: whatever holds it needs no quotes
TRIM_SECONDS = 0.5  # after a large request, and not more often
LIBC = ctypes.CDLL(None)
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")


class Requests:
    """Wraps the application: every request has an id, `X-Request-Id`, the client's or a new one.

    Rejected and failed requests are logged with it; with `log_all`, all requests are.
    """

    def __init__(self, app: Starlette, *, log_all: bool) -> None:
        self.app = app
        self._log_all = log_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 0
        request_id = _given_id(scope) or uuid4().hex
        REQUEST_ID.set(request_id)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                header = (b"x-request-id", request_id.encode())
                message = {**message, "headers": [*message["headers"], header]}
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            if self._log_all or status >= 400:
                fields = {
                    "method": scope["method"],
                    "path": printable(scope["path"], LONGEST_PATH),
                    "status": status,
                    "ms": round((time.perf_counter() - start) * 1000, 2),
                    "error": scope.get("error", ""),
                }
                text = "{method} {path} {status} {ms} ms: {error}".format(**fields)
                log.info(text.removesuffix(": "), extra={"fields": fields})


def _given_id(scope: Scope) -> str:
    """The client's id, if it is one that a log can hold."""
    given: bytes = dict(scope["headers"]).get(b"x-request-id", b"")
    return given.decode() if ID.fullmatch(given) else ""


class Bodies:
    """Reads bodies of requests: each within `limit` bytes and `seconds`.

    Large bodies and answers, from their first byte to the last that is sent, have no more than
    `total` bytes together: beyond that, requests are rejected.
    """

    def __init__(self, limit: int, seconds: float, total: int) -> None:
        self._limit, self._seconds, self._total = limit, seconds, max(limit, total)
        self._held = 0
        self._trimming: asyncio.TimerHandle | None = None

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """The body of a request, to be released later; or the HTTPException to answer with."""
        headers = scope["headers"]
        if any(key == b"content-encoding" and value != b"identity" for key, value in headers):
            raise HTTPException(415, "Content-Encoding: the body must not be compressed")
        chunks: list[bytes] = []
        size = held = 0
        error = self._error(0)
        more = True
        try:
            async with asyncio.timeout(self._seconds):
                while more and size <= DISCARD * self._limit:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise HTTPException(400, "the client went away")
                    chunk = message.get("body", b"")
                    more = message.get("more_body", False)
                    size += len(chunk)
                    if error is None:
                        chunks.append(chunk)
                        if size > LARGE_BODY:
                            self._held += size - held
                            held = size
                        error = self._error(size)
                    if error is not None:  # read what comes, but keep nothing
                        chunks.clear()
                        self._held, held = self._held - held, 0
            if error is not None:
                raise error
        except BaseException as raised:
            self._held -= held
            if not isinstance(raised, TimeoutError):
                raise
            reason = f"the body took longer than {self._seconds:g} s"
            raise HTTPException(408, reason, {"Connection": "close"}) from raised
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def hold(self, answer: bytes) -> None:
        """Count an answer."""
        self._held += len(answer) if len(answer) > LARGE_BODY else 0

    def release(self, *contents: bytes) -> None:
        """A request is over: its body and its answer need not be in memory."""
        large = sum(len(content) for content in contents if len(content) > LARGE_BODY)
        self._held -= large
        if large and self._trimming is None and hasattr(LIBC, "malloc_trim"):
            self._trimming = asyncio.get_running_loop().call_later(TRIM_SECONDS, self._trim)

    def _trim(self) -> None:
        """Give back what is free by now: the GNU C library keeps it otherwise."""
        self._trimming = None
        asyncio.get_running_loop().run_in_executor(None, LIBC.malloc_trim, 0)

    def _error(self, size: int) -> HTTPException | None:
        if size > self._limit:
            reason = f"the body is larger than {self._limit} bytes"
            return HTTPException(413, reason, {"Connection": "close"})
        if self._held > self._total:
            reason = "too many large requests are under way: ask again in a second"
            return HTTPException(503, reason, {"Retry-After": "1"})
        return None


async def send_all(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response, a large one as fast as the client reads it."""
    body = response.body
    if len(body) <= CHUNK:
        await response(scope, receive, send)
        return
    start = {"type": "http.response.start", "status": response.status_code}
    await send({**start, "headers": response.raw_headers})
    for at in range(0, len(body), CHUNK):
        more = at + CHUNK < len(body)
        await send({"type": "http.response.body", "body": body[at : at + CHUNK], "more_body": more})


def reply(content: Any, code: int = 200, headers: Any = None) -> Response:
    """A JSON response; dataclasses are encoded as objects."""
    headers = {"Content-Type": "application/json", **(headers or {})}
    return Response(msgspec.json.encode(content), code, headers)


async def reject(request: Request, error: Exception) -> Response:
    """The answer to an HTTPException, ours or Starlette's."""
    error = cast(HTTPException, error)
    request.scope["error"] = printable(error.detail, LONGEST_ERROR)
    return reply({"error": request.scope["error"]}, error.status_code, error.headers)


async def fail(request: Request, error: Exception) -> Response:
    """The answer to a fault of the server; Starlette raises it again, so that it is logged."""
    return reply({"error": "the server failed; its log says why"}, 500)


def printable(text: str, width: int) -> str:
    """The beginning of a text that anybody may have sent, on one line, for a message or the log."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shorten(text, width))
