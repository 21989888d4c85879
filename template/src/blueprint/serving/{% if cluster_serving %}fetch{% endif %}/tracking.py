"""A folder of artifacts that a tracking server hands out: MLflow's REST interface, without MLflow.

`mlflow-artifacts:/1/<run>/artifacts/model` is on the registry's own server,
`mlflow-artifacts://host:port/…` names another, and `http(s)://…/api/2.0/mlflow-artifacts/artifacts/…`
is the same in full. https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

import http.client
import json
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlencode, urlsplit

from ...errors import UserError
from ...logins import without_login
from .source import WAITS, File

T = TypeVar("T")
API = "/api/2.0/mlflow-artifacts/artifacts"
SOCKET_SECONDS = 20  # without a byte
AGAIN = (408, 429, 500, 502, 503, 504)
FAULTS = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError)
DEPTH = 20  # folders in folders
REMEDIES = {
    401: "it asks for a login: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD, from a Secret",
    403: "its login may not read there",
    404: "no such artifact, or no MLflow that hands out artifacts",
}


class Artifacts:
    """A folder below an address of `API`; `login` is an URL that holds it, if the settings do."""

    def __init__(self, root: str, path: str, login: str = "") -> None:
        self._root, self._path = root.rstrip("/"), path.strip("/")
        self._headers = _headers(login)
        self._context = _context()

    def files(self) -> list[File]:
        return list(self._below("", 0))

    def _below(self, folder: str, depth: int) -> list[File]:
        if depth > DEPTH:
            raise UserError(f"{self._root}: its folders have no end")
        path = "/".join(filter(None, [self._path, folder]))
        found: list[File] = []
        for each in self._ask(f"?{urlencode({'path': path})}", _listing):
            name = f"{folder}/{each['path']}".lstrip("/")
            if each.get("is_dir"):
                found += self._below(name, depth + 1)
            else:
                found.append(File(name, int(each["file_size"]) if "file_size" in each else None))
        return found

    def save(self, file: File, path: Path) -> None:
        def write(response: http.client.HTTPResponse) -> None:
            with path.open("wb") as target:
                shutil.copyfileobj(response, target, 2**20)
                if response.length:  # bytes that it promised
                    raise http.client.IncompleteRead(b"", response.length)

        self._ask(f"/{quote(f'{self._path}/{file.name}')}", write)

    def _ask(self, path: str, read: Callable[[http.client.HTTPResponse], T]) -> T:
        """What `read` makes of an answer, with a few tries where another may succeed."""
        request = urllib.request.Request(self._root + API + path)
        for name, value in self._headers.items():
            request.add_unredirected_header(name, value)  # another host gets no login
        for wait in (*WAITS, None):
            try:
                with urllib.request.urlopen(
                    request, timeout=SOCKET_SECONDS, context=self._context
                ) as response:
                    return read(response)
            except FAULTS as error:
                reason, again = _explain(error)
            if not again or wait is None:
                break
            time.sleep(wait)
        raise UserError(f"{self._root}: {reason}")


def artifacts(uri: str, tracking_uri: str) -> Artifacts | None:
    """The folder that a URI means where a tracking server hands it out, else None.

    `tracking_uri` is the registry's address, which may hold a login.
    """
    parts = urlsplit(uri)
    registry = urlsplit(tracking_uri)
    if parts.scheme == "mlflow-artifacts":
        if registry.scheme not in ("http", "https"):
            raise UserError(
                "it is on the tracking server, and registry.tracking_uri is no address of one: "
                "is MLOPS_ENV the pod's configuration?"
            )
        root, path = without_login(tracking_uri), unquote(parts.path)
        if parts.netloc:
            root = f"{registry.scheme}://{parts.netloc}"
    elif parts.scheme in ("http", "https") and API in parts.path:
        before, _, path = parts.path.partition(API)
        root, path = f"{parts.scheme}://{parts.netloc}{before}", unquote(path)
    else:
        return None
    same = urlsplit(root).netloc == urlsplit(without_login(tracking_uri)).netloc
    return Artifacts(root, path, tracking_uri if same else "")


def _explain(error: Exception) -> tuple[str, bool]:
    """What went wrong and what to do about it, and whether another try may succeed."""
    if isinstance(error, urllib.error.HTTPError):
        advice = REMEDIES.get(error.code, "")
        return f"it answers {error.code}{advice and f': {advice}'}", error.code in AGAIN
    cause = getattr(error, "reason", error)
    reason = str(cause) or type(cause).__name__
    if isinstance(cause, ssl.SSLError):
        return f"{reason}: MLFLOW_TRACKING_SERVER_CERT_PATH names the certificates to trust", False
    return f"{reason}: is it up, is its address right, does a NetworkPolicy let the pod out?", True


def _listing(response: http.client.HTTPResponse) -> list[dict[str, Any]]:
    try:
        return [dict(each, path=str(each["path"])) for each in json.load(response).get("files", [])]
    except (ValueError, AttributeError, KeyError, TypeError):
        text = "no MLflow answers there, or a page to log in stands before it"
        raise UserError(f"{response.url}: {text}") from None


def _headers(login: str) -> dict[str, str]:
    """The login as MLflow's own clients send it."""
    parts = urlsplit(login)
    user = os.environ.get("MLFLOW_TRACKING_USERNAME") or unquote(parts.username or "")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD") or unquote(parts.password or "")
    if user:
        return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _context() -> ssl.SSLContext:
    """The certificates that are trusted; as MLflow's clients are told, or the system's."""
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        return ssl._create_unverified_context()
    names = ("MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE")
    bundle = next((os.environ[name] for name in names if os.environ.get(name)), None)
    try:
        return ssl.create_default_context(cafile=bundle)
    except OSError as error:
        raise UserError(f"{bundle}: holds no certificates ({error})") from None
