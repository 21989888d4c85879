"""What Flux applies for the model: the folder deploy/released/<env>, and its one line, the pin."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from ...errors import UserError
from ...targets.model_image import KIND as MODEL
from ..pin import SHA256, URI, VERSION, Pin

FILE = "kustomization.yaml"
HEAD = "# Written by make promote. Flux applies it; a promotion changes the line of the patch.\n"
KEYS = (VERSION, SHA256, URI)


def pinned(text: str | None) -> Pin | None:
    """The version that a released kustomization pins, None where it pins none yet."""
    found = [re.findall(rf'"{re.escape(key)}": "([^"]*)"', text or "") for key in KEYS]
    return Pin(*(each[0] for each in found)) if all(len(each) == 1 for each in found) else None


def repinned(text: str | None, pin: Pin, path: str) -> str:
    """The same kustomization with another version; nothing but that line changes.

    `path` is its folder, for the error: a UserError where it pins no version, or has pods mount
    their model as an image, which only `make promote` on a person's machine can name.
    """
    before = pinned(text)
    if text is None or before is None:
        raise UserError(f"{path}/{FILE} pins no version yet: `make promote` writes the first one")
    if any(each.get("name") == MODEL for each in content(text, path).get("images") or ()):
        raise UserError(
            f"{path} has pods mount their model as an image: `make model-image VERSION="
            f"{pin.version}`, then `make promote VERSION={pin.version}`"
        )
    lines = text.splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if f'"{VERSION}"' in line)
    line = lines[at].replace(before.uri, pin.uri)  # KServe has it twice
    for key in (VERSION, SHA256):
        old, new = before.annotations[key], pin.annotations[key]
        line = line.replace(f'"{key}": "{old}"', f'"{key}": "{new}"')
    return "".join([*lines[:at], line, *lines[at + 1 :]])


def content(text: str, path: str) -> Mapping[str, Any]:
    """The kustomization as YAML, or a UserError."""
    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path}/{FILE} is not YAML: {' '.join(str(error).split())}") from None
    return read if isinstance(read, Mapping) else {}
