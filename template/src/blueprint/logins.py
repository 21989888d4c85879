"""Logins in URLs: configuration holds none, and nothing that is stored or shown does.

A login is a user's password before the host (in an http address a user alone, which may be a
token), or a query parameter such as `password`, or `sig` of a signed address.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

SIGNED = "pass|pwd|token|secret|odbc|signature|credential|(?:access|account|api)_?key"
PARAMETER = re.compile(rf"(?<=[?&;])(?:sig|key|[^=&\s]*(?:{SIGNED})[^=&\s]*)=[^&\s'\"]*", re.I)
USER = re.compile(r"(\w[\w+.-]*)://([^\s:/?#@'\"]*)(:[^\s'\"]*)?@")
# A setting is one URL, whatever is in it; a text holds URLs between other words.
WHOLE_USER = re.compile(r"^(\w[\w+.-]*)://([^:/?#@]*)(:.*)?@", re.DOTALL)
PORT = re.compile(r":\d+(?:[/?#]|$)")


def without_login(url: str) -> str:
    """The URL as it may be stored and shown."""
    return PARAMETER.sub("", WHOLE_USER.sub(_without_password, url)) if "://" in url else url


def hide(text: str) -> str:
    """The text, each URL in it without its login."""
    return PARAMETER.sub("", USER.sub(_without_password, text)) if "://" in text else text


def find(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The keys in nested configuration under which a URL holds a login."""
    if isinstance(value, str):
        if without_login(value) != value:
            yield path
    elif isinstance(value, Mapping | list):
        parts = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, part in parts:
            yield from find(part, (*path, str(key)))


def _without_password(found: re.Match[str]) -> str:
    scheme, user, password = found.groups()
    if scheme.endswith(("http", "https")):
        return found[0] if password and PORT.match(password) else f"{scheme}://"
    return f"{scheme}://{user}@"
