"""Requests to the API of a Git host, and what its errors mean, in one line."""

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from email.message import Message
from typing import Any
from urllib.parse import urlencode, urlsplit

from ...errors import UserError
from ...text import shorten
from .settings import TOKEN

SECONDS = 30  # until a connection, and until each part of an answer
TRIES, PAUSE = 3, 1.0  # of a request that only reads, and the seconds between them
PASSING = (500, 502, 503, 504)  # statuses that may be gone in a second
LONGEST = 300  # characters of what a host says
Answer = tuple[int, Message, bytes]


class Rejected(UserError):
    """An answer that is an error: its status, and what the host says, in one line."""

    def __init__(self, text: str, status: int, words: str) -> None:
        super().__init__(text)
        self.status, self.words = status, words


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: it would bring the token to another host, and a POST as a GET."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Api:
    """An API that speaks JSON, at `url`. `rights` is what a token needs, in the host's words."""

    def __init__(
        self, url: str, token: str | None, headers: Mapping[str, str], rights: str
    ) -> None:
        self.url, self.token, self.rights = url.rstrip("/"), token, rights
        self.host = urlsplit(url).netloc.rpartition("@")[2]
        self.headers = {"User-Agent": "mlops-blueprint", "Accept": "application/json", **headers}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        self._opener = urllib.request.build_opener(NoRedirects())

    def get(self, path: str, /, **query: str | int) -> Any:
        """What is there. A host that is away for a moment is asked again. Raises UserError."""
        return self._request("GET", f"{path}?{urlencode(query)}" if query else path, None, TRIES)

    def send(self, method: str, path: str, /, **body: Any) -> Any:
        """Change something. It is never sent twice: without an answer, it may have been done.

        Raises UserError, of which a Rejected has the host's words.
        """
        return self._request(method, path, json.dumps(body).encode(), 1)

    def _request(self, method: str, path: str, body: bytes | None, tries: int) -> Any:
        for left in reversed(range(tries)):
            try:
                status, headers, content = self._answer(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                if not left:
                    raise self._silent(_reason(error)) from None
            else:
                if status < 300:
                    return self._parsed(content)
                if not left or status not in PASSING:
                    raise self._rejected(status, headers, content)
            time.sleep(PAUSE)
        raise AssertionError("the last try returns or raises")

    def _answer(self, method: str, path: str, body: bytes | None) -> Answer:
        headers = self.headers | ({"Content-Type": "application/json"} if body else {})
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with self._opener.open(request, timeout=SECONDS) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def _parsed(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except ValueError:
            raise UserError(
                f"{self.host} answers with something else than JSON: is {self.url} its API "
                "(gitops.api), or is a login page in between?"
            ) from None

    def _silent(self, reason: BaseException) -> UserError:
        text = shorten(" ".join(str(reason).split()) or type(reason).__name__, LONGEST)
        if isinstance(reason, ssl.SSLError):
            remedy = "set SSL_CERT_FILE to the certificates that your company trusts"
            return UserError(f"TLS with {self.host} fails ({text}): {remedy}")
        return UserError(
            f"{self.host} does not answer ({text}): is it up, is the address right (gitops.api), "
            "is the VPN on? Whatever was sent may be sent again"
        )

    def _rejected(self, status: int, headers: Message, content: bytes) -> Rejected:
        words = _words(content) or http.client.responses.get(status, "no reason given")
        if self.token:
            words = words.replace(self.token, "…")
        words = shorten(words, LONGEST)
        return Rejected(self._meaning(status, headers, words), status, words)

    def _meaning(self, status: int, headers: Message, words: str) -> str:
        wait = headers.get("Retry-After")
        used_up = headers.get("X-RateLimit-Remaining") == "0"
        if status == 429 or (status == 403 and (wait or used_up)):
            when = f"in {wait} seconds" if (wait or "").isdigit() else "later"
            return f"{self.host} wants fewer requests ({words}): again {when}"
        if status in (401, 403, 404) and not self.token:
            return f"{self.host} wants a login ({status}: {words}): set {TOKEN} in the environment"
        if status == 401:
            return (
                f"{self.host} does not accept the token ({words}): it has expired or was revoked; "
                f"set {TOKEN} to a new one, of {self.rights}"
            )
        if status == 403:
            return f"the token may not do this on {self.host} ({words}): it needs {self.rights}"
        if status == 404:
            return (
                f"{self.host} has no such repository, or hides it from the token ({words}): "
                f"correct gitops.repository, or give the token {self.rights}"
            )
        if status < 400:
            return f"{self.host} redirects: correct gitops.repository or gitops.api ({self.url})"
        if status >= 500:
            return f"{self.host} has a problem of its own ({status}: {words}): try again later"
        return f"{self.host} rejects it ({status}): {words}"


def _reason(error: Exception) -> BaseException:
    """What is behind the error of a request."""
    reason = getattr(error, "reason", None)
    return reason if isinstance(reason, BaseException) else error


def _words(content: bytes) -> str:
    """What an error of GitHub's or GitLab's says, in one line; "" for a page."""
    try:
        answer = json.loads(content)
    except ValueError:
        return ""
    keys = ("message", "error", "error_description", "errors")
    parts = [answer.get(key) for key in keys] if isinstance(answer, dict) else []
    return ", ".join(" ".join(text.split()) for part in parts for text in _texts(part))


def _texts(part: Any) -> Iterator[str]:
    """The texts in part of an error: a text, or lists and dictionaries of them."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, list):
        for each in part:
            yield from _texts(each)
    elif isinstance(part, dict):
        yield from _texts(part.get("message") or [*part.values()])
