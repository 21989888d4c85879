"""The plumbing: the same in every project. Updates of the template own it."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent


def rooms(name: str) -> Iterator[ModuleType]:
    """The modules of that name, imported: a room, such as `registry/`, has its own or none. A room
    inside another comes after it."""
    paths = HERE.glob(f"*/**/{name}.py")
    for path in sorted(paths, key=lambda path: (len(path.parts), path)):
        yield import_module(".".join((__name__, *path.relative_to(HERE).with_suffix("").parts)))
