"""HTTP without the protocols: bodies within limits, JSON replies, and a line of log a request.

The body of every error is `{"error": "..."}`.
"""

import asyncio
import ctypes
import logging
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, cast
from uuid import uuid4

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from .values import cut

log = logging.getLogger(__name__)

DISCARD = 8  # times the limit that is read and thrown away, so that the client gets to its 413
LARGE_BODY = 64 * 1024  # bytes; what is larger is worked on in a thread, and counted
PIECE = 256 * 1024  # bytes of an answer that are handed over at a time
LONGEST_ERROR = 500
TRIM_SECONDS = 0.5  # after a large request, and not oftener
LONGEST_ID = 128
LIBC = ctypes.CDLL(None)
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")


class Requests:
    """Wraps the application: every request has an id, `X-Request-Id`, the client's or a new one.

    Refused and failed requests are logged with it; with `log_all`, all requests are.
    """

    def __init__(self, app: Starlette, *, log_all: bool) -> None:
        self.app = app
        self._log_all = log_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        start = time.perf_counter()
        status = 0
        request_id = _given_id(scope) or uuid4().hex
        REQUEST_ID.set(request_id)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                named = (b"x-request-id", request_id.encode())
                message = {**message, "headers": [*message["headers"], named]}
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            if self._log_all or status >= 400:
                self._write(scope, status, time.perf_counter() - start)

    def _write(self, scope: Scope, status: int, seconds: float) -> None:
        fields = {
            "method": scope["method"],
            "path": cut(scope["path"], LONGEST_ID),
            "status": status,
            "ms": round(seconds * 1000, 2),
            "error": scope.get("error", ""),
        }
        reason = f": {fields['error']}" if fields["error"] else ""
        text = f"{fields['method']} {fields['path']} {status} {fields['ms']} ms{reason}"
        log.info(text, extra={"fields": fields})


def _given_id(scope: Scope) -> str:
    """The client's id, if it is one that a log can hold."""
    for key, value in scope["headers"]:
        if key == b"x-request-id":
            text = str(value.decode("latin-1"))
            return text if text.isascii() and text.isprintable() and len(text) <= LONGEST_ID else ""
    return ""


class Bodies:
    """Reads bodies of requests: each within `limit` bytes and `seconds`.

    Large bodies and answers, from their first byte to the last that is sent, have no more than
    `total` bytes together: beyond that, requests are refused.
    """

    def __init__(self, limit: int, seconds: float, total: int) -> None:
        self._limit = limit
        self._seconds = seconds
        self._total = max(limit, total)
        self._held = 0
        self._trimming: asyncio.TimerHandle | None = None

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """The body of a request, to be released later; or the HTTPException to answer with."""
        headers = scope["headers"]
        if any(key == b"content-encoding" and value != b"identity" for key, value in headers):
            raise HTTPException(415, "Content-Encoding: the body must not be compressed")
        chunks: list[bytes] = []
        size = held = 0
        refusal = self._refusal(0)
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
                    if refusal is not None:
                        continue
                    chunks.append(chunk)
                    if size > LARGE_BODY:
                        self._held += size - held
                        held = size
                    refusal = self._refusal(size)
                    if refusal is not None:  # read what comes, but keep nothing
                        chunks.clear()
                        self._held -= held
                        held = 0
            if refusal is not None:
                raise refusal
        except BaseException as error:
            self._held -= held
            if not isinstance(error, TimeoutError):
                raise
            reason = f"the body took longer than {self._seconds:g} s"
            raise HTTPException(408, reason, {"Connection": "close"}) from error
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def hold(self, answer: bytes) -> None:
        """Count an answer."""
        if len(answer) > LARGE_BODY:
            self._held += len(answer)

    def release(self, *contents: bytes) -> None:
        """A request is over: its body and its answer need not be in memory."""
        large = sum(len(content) for content in contents if len(content) > LARGE_BODY)
        self._held -= large
        if large and self._trimming is None:
            self._trimming = asyncio.get_running_loop().call_later(TRIM_SECONDS, self._trim)

    def _trim(self) -> None:
        """Give back what is free by now: the GNU C library keeps it otherwise."""
        self._trimming = None
        if hasattr(LIBC, "malloc_trim"):
            asyncio.get_running_loop().run_in_executor(None, LIBC.malloc_trim, 0)

    def _refusal(self, size: int) -> HTTPException | None:
        if size > self._limit:
            reason = f"the body is larger than {self._limit} bytes"
            return HTTPException(413, reason, {"Connection": "close"})
        if self._held > self._total:
            reason = "too many large requests are under way: ask again in a second"
            return HTTPException(503, reason, {"Retry-After": "1"})
        return None


async def send_all(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response, a large one as fast as the client takes it."""
    body = response.body
    if len(body) <= PIECE:
        await response(scope, receive, send)
        return
    start = {"type": "http.response.start", "status": response.status_code}
    await send({**start, "headers": response.raw_headers})
    for at in range(0, len(body), PIECE):
        piece, more = body[at : at + PIECE], at + PIECE < len(body)
        await send({"type": "http.response.body", "body": piece, "more_body": more})


def reply(content: Any, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response; dataclasses are encoded as objects."""
    headers = {"Content-Type": "application/json", **(headers or {})}
    return Response(msgspec.json.encode(content), code, headers)


async def refuse(request: Request, error: Exception) -> Response:
    """The answer to an HTTPException, ours or Starlette's."""
    refusal = cast(HTTPException, error)
    detail = cut(refusal.detail, LONGEST_ERROR)
    request.scope["error"] = detail
    return reply({"error": detail}, refusal.status_code, refusal.headers)


async def fail(request: Request, error: Exception) -> Response:
    """The answer to a fault of the server; Starlette raises it again, so that it is logged."""
    return reply({"error": "the server failed; its log says why"}, 500)
