"""Vertex AI's REST surface as the SDK knows it: its own routes and its own messages.

The SDK's REST transports are made from the service's definition. Turned around, they say for each
method and path which message a request is, and the message says which fields there are.
"""

import inspect
import json
import re
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, unquote

from google.cloud import aiplatform_v1
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from vertex.service import errors

SERVICES = ("Pipeline", "Schedule", "Model", "Endpoint", "Job", "Prediction")
CAPTURED = re.compile(r"\{([a-z_.]+)=([^}]+)\}")
UNKNOWN = re.compile(r'has no field named "([^"]+)" at "([^"]+)"')


@dataclass(frozen=True)
class Route:
    """One method of the API at one path."""

    rpc: str
    method: str
    pattern: re.Pattern[str]
    captured: tuple[str, ...]
    body: str  # the field that the body is; "*": the whole message; "": none
    request: Any


@dataclass(frozen=True)
class Answer:
    """An answer that is no message: the bytes of a model's server, passed on."""

    content: bytes
    kind: str
    headers: dict[str, str]
    code: int = 200


def routes() -> list[Route]:
    """Every route of the services that are served here, from the SDK's REST transports."""
    found = []
    for service in SERVICES:
        name = f"google.cloud.aiplatform_v1.services.{service.lower()}_service.transports"
        base = getattr(import_module(f"{name}.rest_base"), f"_Base{service}ServiceRestTransport")
        for rpc, options in inspect.getmembers(base, inspect.isclass):
            request = getattr(aiplatform_v1, f"{rpc.removeprefix('_Base')}Request", None)
            if request is None or not hasattr(options, "_get_http_options"):
                continue  # of a service that all APIs have: operations, locations, policies
            for option in options._get_http_options():
                found.append(_route(rpc.removeprefix("_Base"), option, request))
    return found


def _route(rpc: str, option: dict[str, str], request: Any) -> Route:
    uri = option["uri"]
    captured = tuple(match[0] for match in CAPTURED.findall(uri))
    pattern = CAPTURED.sub(lambda match: f"({match[2].replace('*', '[^/:]+')})", uri)
    body = option.get("body", "")
    return Route(rpc, option["method"].upper(), re.compile(pattern), captured, body, request)


def find(table: list[Route], method: str, path: str) -> tuple[Route, list[str]] | None:
    """The route of a request, and what its path names."""
    for route in table:
        if route.method == method and (match := route.pattern.fullmatch(unquote(path))):
            return route, list(match.groups())
    return None


def read(route: Route, names: list[str], query: str, content: bytes) -> Any:
    """The request as its message; a field that the message does not have is rejected."""
    message = route.request.pb(route.request())
    try:
        body = json.loads(content) if content else {}
    except ValueError:
        raise errors.Rejected("INVALID_ARGUMENT", "Invalid JSON payload received.") from None
    data: dict[str, Any] = body if route.body == "*" else {}
    if route.body not in ("", "*"):
        data = {camel(route.body): body}
    for field, value in zip(route.captured, names, strict=True):
        _put(data, field, [value], message.DESCRIPTOR)
    given: dict[str, list[str]] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        given.setdefault(key, []).append(value)
    for key, values in given.items():
        if not key.startswith(("$", "alt", "key")):
            _put(data, key, values, message.DESCRIPTOR)
    return route.request.wrap(parse(data, message))


def parse(data: Any, message: Any) -> Any:
    """The message filled from JSON, as the service does it: strictly."""
    try:
        return json_format.ParseDict(data, message)
    except json_format.ParseError as error:
        text = str(error)
        if unknown := UNKNOWN.search(text):
            steps = unknown[2].split(".")[1:]
            where = ".".join(re.sub(r"([A-Z])", r"_\1", step).lower() for step in steps)
            text = f"Unknown name \"{unknown[1]}\" at '{where}': Cannot find field."
            raise errors.invalid(where, f"Invalid JSON payload received. {text}") from None
        text = text.partition("\n")[0]
        raise errors.invalid("", f"Invalid value ({text})") from None


def write(message: Any, query: str = "") -> dict[str, Any]:
    """A message as JSON, enums as numbers where the client asks for them."""
    numbers = "enum-encoding=int" in query or "enum-encoding%3Dint" in query
    raw = getattr(message, "_pb", message)
    result: dict[str, Any] = json_format.MessageToDict(raw, use_integers_for_enums=numbers)
    return result


def camel(name: str) -> str:
    """A field's name in JSON."""
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def _put(data: dict[str, Any], path: str, values: list[str], kind: Descriptor) -> None:
    """Set a field that the path or the query names, `endpoint.name`, by its type."""
    first, _, rest = path.partition(".")
    field = kind.fields_by_camelcase_name.get(first) or kind.fields_by_name.get(first)
    name = camel(first)
    if field is None:
        raise errors.invalid(first, f'Invalid JSON payload received. Unknown name "{first}".')
    if rest and field.message_type:
        _put(data.setdefault(name, {}), rest, values, field.message_type)
    elif field.is_repeated:
        data[name] = values
    elif field.type == FieldDescriptor.TYPE_BOOL:
        data[name] = values[-1].lower() == "true"
    else:
        data[name] = values[-1]
