"""The connection to Google Cloud: its REST APIs, the SDK's own clients, and errors in one line.

What only reads asks the REST API itself: to import the SDK takes seconds. An `api_endpoint` that
begins with http:// is a service on this machine, which stands in for every API and asks for no
login.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from ...errors import UserError
from ...settings import Settings
from .settings import Vertex

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LOGIN = "`gcloud auth application-default login` logs you in"
NO_PROJECT = (
    "this configuration has no Google Cloud project: name one that has, such as ENV=staging"
)
TRIES, LONGEST_PAUSE = 3, 10  # of a request that may be sent again; seconds
TEMPORARY = (429, 500, 502, 503, 504)
CONSOLE = "https://console.cloud.google.com/vertex-ai/pipelines"


class CloudError(UserError):
    """What Google Cloud rejects: `code` is that of its answer, 0 where there was none."""

    def __init__(self, text: object, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


def section(settings: Settings) -> Vertex:
    """The project that the configuration names. Raises `UserError` where it names none."""
    if settings.vertex is None:
        raise UserError(NO_PROJECT)
    vertex: Vertex = settings.vertex
    return vertex


def link(vertex: Vertex, job: str) -> str:
    """The page of a run."""
    return f"{CONSOLE}/locations/{vertex.location}/runs/{job}?project={vertex.project}"


class Api:
    """Requests to Google Cloud's REST APIs, answered as parsed JSON. All raise `CloudError`."""

    def __init__(self, vertex: Vertex) -> None:
        self.vertex = vertex

    @cached_property
    def session(self) -> Any:
        if _anonymous(self.vertex):
            import requests

            return requests.Session()
        from google.auth.transport.requests import AuthorizedSession

        return AuthorizedSession(credentials(self.vertex))

    def get(self, host: str, path: str, **query: Any) -> dict[str, Any]:
        """`host` is an API's short name, such as "storage"; "aiplatform" is that of the region."""
        return self._ask("GET", host, path, params=query)

    def pages(self, host: str, path: str, of: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The entries of a list, page by page."""
        token = ""
        while True:
            answer = self.get(host, path, **query, **({"pageToken": token} if token else {}))
            yield from answer.get(of, [])
            if not (token := answer.get("nextPageToken", "")):
                return

    def post(self, host: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """For questions that have a body: it may be sent more than once."""
        return self._ask("POST", host, path, json=body)

    def delete(self, host: str, path: str) -> None:
        self._ask("DELETE", host, path)

    def _ask(self, method: str, host: str, path: str, **options: Any) -> dict[str, Any]:
        url = f"{address(self.vertex, host)}/{path}"
        for attempt in range(1, TRIES + 1):
            with errors(self.vertex):
                answer = self.session.request(
                    method, url, timeout=self.vertex.timeout_seconds, **options
                )
            if answer.status_code not in TEMPORARY or attempt == TRIES:
                break
            time.sleep(min(2 ** (attempt - 1), LONGEST_PAUSE))
        try:
            content = answer.json() if answer.content else {}
        except ValueError:
            content = None
        if answer.ok and isinstance(content, dict):
            return content
        error = (content or {}).get("error", {}) if isinstance(content, dict) else {}
        message = error.get("message") or f"no answer of Google Cloud's ({answer.status_code})"
        raise _explained(self.vertex, answer.status_code, message, error.get("details", []))


def address(vertex: Vertex, host: str) -> str:
    """Where an API is."""
    if vertex.api_endpoint and (host == "aiplatform" or _anonymous(vertex)):
        return vertex.api_endpoint.rstrip("/")
    region = f"{vertex.location}-" if host == "aiplatform" else ""
    return f"https://{region}{host}.googleapis.com"


def _anonymous(vertex: Vertex) -> bool:
    return bool(vertex.api_endpoint and vertex.api_endpoint.startswith("http://"))


def credentials(vertex: Vertex) -> Any:
    """The login of this machine. Raises `CloudError` where there is none."""
    if _anonymous(vertex):
        from google.auth.credentials import AnonymousCredentials

        return AnonymousCredentials()
    import google.auth

    with errors(vertex):
        found, _ = google.auth.default(scopes=[SCOPE])
    return found


def service(vertex: Vertex, name: str) -> Any:
    """A client of the SDK's by its name, such as "PipelineServiceClient", that speaks REST."""
    from google.cloud import aiplatform_v1

    return getattr(aiplatform_v1, name)(
        credentials=credentials(vertex),
        transport="rest",
        client_options={"api_endpoint": address(vertex, "aiplatform")},
    )


@contextmanager
def errors(vertex: Vertex) -> Iterator[None]:
    """Say in one line what a request met."""
    import requests
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import GoogleAuthError, TransportError

    try:
        yield
    except GoogleAPICallError as error:
        details = [*error.details, {"reason": error.reason, "metadata": error.metadata}]
        raise _explained(vertex, int(error.code or 0), error.message, details) from None
    except (requests.RequestException, TransportError, RetryError, ConnectionError) as error:
        where = address(vertex, "aiplatform")
        kind = "not in time" if "imed out" in str(error) else type(error).__name__
        text = f"Google Cloud does not answer ({kind}): check the network, and vertex.location"
        raise CloudError(f"{text} ({where})") from None
    except GoogleAuthError as error:
        text = " ".join(str(error.args[0] if error.args else error).split())[:200]
        raise CloudError(f"no login to Google Cloud ({text}): {LOGIN}", 401) from None


def _explained(vertex: Vertex, code: int, message: str, details: Any) -> CloudError:
    """An answer that is an error, and what to do about it."""
    text = " ".join(str(message).split()).rstrip(".")[:400]
    fields = [f"{field}: {why}" for field, why in _violations(details) if why not in str(message)]
    if name := _disabled(details):
        advice = f"`gcloud services enable {name}`"
    elif code == 401:
        advice = LOGIN
    elif code == 403:
        advice = f"who owns project {vertex.project} grants it; `make doctor` names the role"
    elif code == 404:
        advice = "`make doctor` says what there is"
    elif code == 429:
        advice = "wait, or ask for more on the page of the project's quotas"
    else:
        advice = "; ".join(fields)
    return CloudError(f"Google Cloud: {text}{advice and f': {advice}'}", code)


def _disabled(details: Any) -> str:
    """The API that the project has not enabled, if that is what is wrong; else ""."""
    for each in details or ():
        if isinstance(each, Mapping) and each.get("reason") == "SERVICE_DISABLED":
            return str(each["metadata"].get("service", ""))
    return ""


def _violations(details: Any) -> Iterator[tuple[str, str]]:
    """Field and description of each of an answer's field violations, from JSON or from the SDK."""
    for each in details or ():
        if isinstance(each, Mapping):
            for one in each.get("fieldViolations", ()):
                yield one.get("field", ""), one.get("description", "")
        else:
            for one in getattr(each, "field_violations", ()):
                yield one.field, one.description
