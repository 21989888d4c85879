"""Which model a pod serves: what the annotations of its template say, as variables."""

import os
import re
from dataclasses import dataclass

from ...errors import UserError

VERSION, SHA256, URI = VARIABLES = ("MODEL_VERSION", "MODEL_SHA256", "MODEL_URI")
FORMS = {VERSION: (r"[1-9]\d*", "a version's number"), SHA256: ("[0-9a-f]{64}", "a SHA-256")}


@dataclass(frozen=True)
class Pin:
    """A version of the model, the SHA-256 of all its files, and the folder that holds them."""

    version: str
    sha256: str
    uri: str


def pinned() -> Pin | None:
    """What the environment pins; None where it says nothing. Raises UserError for half of it."""
    given = {name: os.environ.get(name, "").strip() for name in VARIABLES}
    for name, (form, expected) in FORMS.items():
        if given[name] and not re.fullmatch(form, given[name]):
            raise UserError(f"{name}={given[name]!r}: expected {expected}")
    if not (given[VERSION] or given[SHA256]):
        return None
    if missing := [name for name in FORMS if not given[name]]:
        raise UserError(
            f"{missing[0]} is not set: `make deploy` sets all of {', '.join(VARIABLES)}"
        )
    return Pin(given[VERSION], given[SHA256], given[URI])
