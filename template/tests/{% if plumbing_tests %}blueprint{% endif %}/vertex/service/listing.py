"""Lists as Google's APIs give them: a filter, an order, and pages."""

import re
from collections.abc import Iterable
from typing import Any

from vertex.service import errors, wire

TERM = re.compile(r'\s*([A-Za-z_.]+)\s*(!=|<=|>=|=|<|>|:)\s*("(?:[^"\\]|\\.)*"|[^\s"]+)\s*')
PAGE = 100


def listed(messages: Iterable[Any], request: Any, response: Any, field: str) -> Any:
    """The page that a list request asks for; the newest first unless it names an order."""
    found = [each for each in messages if matches(each, getattr(request, "filter", ""))]
    found.reverse()
    order = getattr(request, "order_by", "")  # which not every list has
    for key in reversed([part.split() for part in order.split(",") if part.strip()]):
        found.sort(key=lambda each, name=key[0]: value(each, name) or "", reverse="desc" in key[1:])
    start = int(request.page_token or 0)
    size = min(request.page_size or PAGE, 1000)
    page = response(**{field: found[start : start + size]})
    if start + size < len(found):
        page.next_page_token = str(start + size)
    return page


def matches(message: Any, text: str) -> bool:
    """Whether a filter of terms joined by AND holds for the message."""
    rest = text
    while rest.strip():
        term = TERM.match(rest)
        following = rest[term.end() :] if term else ""
        if term is None or (following and not following.startswith("AND ")):
            raise errors.invalid("filter", f"Invalid filter expression: {text}")
        rest = following.removeprefix("AND ")
        name, operator, wanted = term.groups()
        if not _holds(value(message, name), operator, wanted.strip('"')):
            return False
    return True


def value(message: Any, path: str) -> str | None:
    """A field as JSON has it: an enum by its name, a time as RFC 3339, a name as its id."""
    found: Any = wire.write(message)
    for step in path.split("."):
        found = found.get(step, found.get(wire.camel(step))) if isinstance(found, dict) else None
    return None if found is None else str(found)


def _holds(found: str | None, operator: str, wanted: str) -> bool:
    if operator in (":", "="):
        ends = found is not None and "/" in found and found.rpartition("/")[2] == wanted
        has = operator == ":" and found is not None and wanted in ("*", found)
        starts = wanted.endswith("*") and (found or "").startswith(wanted[:-1])
        return found == wanted or ends or has or starts
    if operator == "!=":
        return found != wanted
    if found is None:
        return False
    return {"<": found < wanted, ">": found > wanted, "<=": found <= wanted, ">=": found >= wanted}[
        operator
    ]


def update(target: Any, given: Any, mask: Any, allowed: tuple[str, ...]) -> None:
    """Set the fields that an update's mask names; those that cannot be changed are rejected."""
    if not mask.paths:
        raise errors.invalid("update_mask", "The update_mask is required.")
    for path in mask.paths:
        first = path.partition(".")[0]
        if first not in allowed:
            raise errors.invalid("update_mask", f"Field {path} cannot be updated.")
        raw, new = target._pb, given._pb
        raw.ClearField(first)
        one = type(raw)()
        one.CopyFrom(new)
        for field, _ in one.ListFields():
            if field.name != first:
                one.ClearField(field.name)
        raw.MergeFrom(one)
