"""What a step's code is: the modules of this project that it imports, found without importing any.

An import counts wherever it stands, in a function too. What cannot be followed counts with all
that it may reach: a doubt costs a run, and never gives an old answer.
"""

import ast
import hashlib
import re
import sysconfig
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ..errors import UserError

PLUMBING = Path(__file__).parents[1]
DYNAMIC = re.compile(rb"\b(import_module|__import__|runpy|pkgutil|spec_from_file_location|exec)\b")
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
LIBRARIES = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib")}
Names = tuple[str, ...]
Module = tuple[Path, Names]  # a file, and the package it lies in


def fingerprint(*sources: str) -> str:
    """A hash of the code that components with these texts run, and of the packages in uv.lock.

    Raises `UserError` for a module that is no Python.
    """
    digest = hashlib.sha256()
    for path in [*sorted(files(*sources)), Path("uv.lock")]:
        if path.is_file():
            home = next((each for each in path.parents if not _is_package(each)), path.parent)
            digest.update(f"{path.relative_to(home)} ".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def files(*sources: str) -> set[Path]:
    """The modules that texts of Python import, also through each other, and what these may read."""
    names = {name for text in sources for name in _imports(Path("a component"), text.encode(), ())}
    waiting = [module for name in names for module in _modules(name)]
    found: set[Path] = set()
    while waiting:
        path, home = waiting.pop()
        if path in found:
            continue
        found.add(path)
        text = path.read_bytes()
        more = _imports(path, text, home) - names
        waiting += (module for name in more for module in _modules(name))
        names |= more
        if DYNAMIC.search(text):
            waiting += _reachable(path, home)
    return found.union(*(_data(folder) for folder in {_root(path) for path in found} if folder))


@cache
def _imports(path: Path, text: bytes, home: Names) -> set[Names]:
    """The full names that a module in the package `home` imports, as modules or from them."""
    try:
        blocks: list[ast.AST] = [ast.parse(text)]
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path}, line {getattr(error, 'lineno', 1)}: {error}") from None
    found: set[Names] = set()
    while blocks:
        block = blocks.pop()
        for node in (node for name in BLOCKS for node in getattr(block, name, None) or ()):
            if isinstance(node, ast.Import):
                found |= {tuple(alias.name.split(".")) for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                above = home[: len(home) - node.level + 1] if node.level else ()
                base = (*above, *node.module.split(".")) if node.module else above
                found |= {(*base, alias.name) for alias in node.names}
            else:
                blocks.append(node)
    return found


def _modules(name: Names) -> Iterator[Module]:
    """The modules that importing `name` runs, without installed ones and Python's own.

    The last part of a name may be anything that a module holds.
    """
    folder = _home(name[0])
    for end, part in enumerate(name if folder else (), start=1):
        assert folder is not None
        if part == "*":
            yield from ((path, name[: end - 1]) for path in folder.glob("*.py"))
        elif (folder / part).is_dir():
            folder /= part
            if _is_package(folder):
                yield folder / "__init__.py", name[:end]
        else:
            if (folder / f"{part}.py").is_file():
                yield folder / f"{part}.py", name[: end - 1]
            return


@cache
def _home(name: str) -> Path | None:
    """The folder of a module of this project, or of one that is installed as its source is."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or not (spec.has_location or spec.submodule_search_locations):
        return None
    path = Path(spec.origin or next(iter(spec.submodule_search_locations or ())))
    if any(path.is_relative_to(library) for library in LIBRARIES):
        return None
    return path.parents[1] if path.name == "__init__.py" else path.parent


def _reachable(path: Path, home: Names) -> Iterator[Module]:
    """What a module with an import by a computed name may import: any module of its package.

    The plumbing's import what lies beside them, but for those at its top: they look for settings
    and commands, of which steps name those that they need.
    """
    if path.parent == PLUMBING:
        return
    folder = path.parent if path.is_relative_to(PLUMBING) else path.parents[max(len(home) - 1, 0)]
    for each in folder.rglob("*.py"):
        below = each.parent.relative_to(folder).parts
        yield each, (*home[: len(home) if folder == path.parent else 1], *below)


def _is_package(folder: Path) -> bool:
    return (folder / "__init__.py").is_file()


def _root(path: Path) -> Path | None:
    """The folder whose files a module may read: its own in the plumbing, else its package's."""
    if path.is_relative_to(PLUMBING):
        return path.parent
    packages = [each for each in path.parents if _is_package(each)]
    return packages[-1] if packages else None


def _data(folder: Path) -> set[Path]:
    """The files in a folder that are no Python, and in those below it that hold no modules; in a
    package of an owner in all below it."""
    found: set[Path] = set()
    for path in folder.iterdir():
        if path.name.startswith((".", "__pycache__")):
            continue
        if path.is_dir():
            own = not path.is_relative_to(PLUMBING)
            found |= _data(path) if own or not any(path.glob("*.py")) else set()
        elif path.suffix not in (".py", ".pyc"):
            found.add(path)
    return found
