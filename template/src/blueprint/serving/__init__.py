"""What answers prediction requests: docs/serving.md."""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from types import ModuleType


def features(part: str = "") -> Iterator[ModuleType]:
    """What a project asked for beside the server: each folder here but `http`, or a module of it.

    A folder may have `routes` (of the `Api`) and `paths`, `work`, and `conformance.py`.
    """
    for found in iter_modules(__path__):
        name = ".".join(filter(None, [__name__, found.name, part]))
        if found.ispkg and found.name != "http" and find_spec(name):
            yield import_module(name)
