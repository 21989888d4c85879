"""What the two APIs of the loopback host share: tokens, requests to merge, routes and errors."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

NAME = "team/project"
TOKEN, READER, EXPIRED = "token-that-may-write", "token-that-may-read", "token-of-last-year"
Answer = tuple[int, Any]
# Method, pattern of the path, and a function of the query, the body and the pattern's groups.
Route = tuple[str, str, Callable[..., Answer]]


@dataclass
class Request:
    """A pull or merge request."""

    number: int
    branch: str
    base: str
    title: str
    text: str
    fork: bool = False
    state: str = "open"
    commits: list[str] = field(default_factory=list)  # when it was merged, and the merge's own
    comments: list[str] = field(default_factory=list)


class Rejection(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.status, self.body = status, body if isinstance(body, dict) else {"message": body}


def dispatch(
    routes: Iterable[Route], method: str, path: str, query: Mapping[str, str], body: Any
) -> Answer | None:
    """What the first route that fits answers; None where none does."""
    for verb, pattern, run in routes:
        found = re.fullmatch(pattern, path)
        if found and verb == method:
            return run(query, body, *found.groups())
    return None


def check_fields(body: Mapping[str, Any], known: str) -> None:
    """Reject a body with fields that the API does not document."""
    unknown = sorted({*body} - {*known.split()})
    if unknown:
        raise Rejection(400, f"unknown fields: {', '.join(unknown)}")


def bearer(headers: Mapping[str, str]) -> str:
    """The token of a request; "" for none."""
    scheme, _, token = (headers.get("Authorization") or "").partition(" ")
    return token if scheme == "Bearer" else ""
