"""HTTP without the protocols: bodies within limits, JSON replies, and a line of log a request.

The body of every error is `{"error": "..."}`.
"""

import asyncio
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

log = logging.getLogger(__name__)

DISCARD = 8  # times the limit that is read and thrown away, so that the client gets to its 413
LONGEST_ID = 128
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
            "path": scope["path"],
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


async def read_body(scope: Scope, receive: Receive, limit: int, seconds: float) -> bytes:
    """The body of a request, at most `limit` bytes, or the HTTPException to answer with."""
    if any(key == b"content-encoding" and value != b"identity" for key, value in scope["headers"]):
        raise HTTPException(415, "Content-Encoding: the body must not be compressed")
    chunks = []
    size = 0
    more = True
    try:
        async with asyncio.timeout(seconds):
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
        reason = f"the body took longer than {seconds:g} s"
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
    request.scope["error"] = refusal.detail
    return reply({"error": refusal.detail}, refusal.status_code, refusal.headers)


async def fail(request: Request, error: Exception) -> Response:
    """The answer to a fault of the server; Starlette raises it again, so that it is logged."""
    return reply({"error": "the server failed; its log says why"}, 500)
