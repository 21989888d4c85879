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

PACKAGE = Path(__file__).parents[1]
DYNAMIC = re.compile(rb"\b(import_module|__import__|runpy|pkgutil|spec_from_file_location|exec)\b")
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
LIBRARIES = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib")}
Names = tuple[str, ...]
Module = tuple[Path, Names]  # a file, and the package it lies in


def fingerprint(*sources: str, package: Path = PACKAGE) -> str:
    """A hash of the code that components with these texts run, and of the packages in uv.lock.

    Raises `UserError` for a module that is no Python.
    """
    digest = hashlib.sha256()
    for path in [*sorted(files(*sources, package=package)), Path("uv.lock")]:
        if path.is_file():
            own = path.is_relative_to(package)
            digest.update(f"{path.relative_to(package) if own else path.name} ".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def files(*sources: str, package: Path = PACKAGE) -> set[Path]:
    """The modules that texts of Python import, also through each other, and what these may read."""
    names = {name for text in sources for name in _imports(Path("a component"), text.encode(), ())}
    waiting = [module for name in names for module in _modules(name, package)]
    found: set[Path] = set()
    while waiting:
        path, home = waiting.pop()
        if path in found:
            continue
        found.add(path)
        text = path.read_bytes()
        more = _imports(path, text, home) - names
        waiting += (module for name in more for module in _modules(name, package))
        names |= more
        if DYNAMIC.search(text):
            # In the plumbing, what lies beside it; elsewhere any module of its package.
            root = path.parents[max(len(home) - 1, 0)]
            waiting += _all(path.parent if path.is_relative_to(package) else root)
    beside = {path.parent for path in found if path.name == "__init__.py"}
    folders = {package, *(path for path in beside if not path.is_relative_to(package))}
    data = (path for folder in folders for path in _data(folder))
    return found | {path for path in data if _may_read(found, path, package)}


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


def _modules(name: Names, package: Path) -> Iterator[Module]:
    """The modules that importing `name` runs, without installed ones and Python's own.

    The last part of a name may be anything that a module holds.
    """
    folder = package.parent if name[0] == package.name else _home(name[0])
    for end, part in enumerate(name if folder else (), start=1):
        assert folder is not None
        if part == "*":
            yield from ((path, name[: end - 1]) for path in folder.glob("*.py"))
        elif (folder / part).is_dir():
            folder /= part
            if (folder / "__init__.py").is_file():
                yield folder / "__init__.py", name[:end]
        else:
            if (folder / f"{part}.py").is_file():
                yield folder / f"{part}.py", name[: end - 1]
            return


@cache
def _home(name: str) -> Path | None:
    """The folder of a module beside the package, or of one that is installed as its source is."""
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


def _all(folder: Path) -> Iterator[Module]:
    root = folder
    while (root / "__init__.py").is_file():
        root = root.parent
    for path in folder.rglob("*.py"):
        yield path, path.parent.relative_to(root).parts


def _data(folder: Path) -> Iterator[Path]:
    """The files of a package that are no Python."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if path.suffix not in (".py", ".pyc") and not hidden and path.is_file():
            yield path


def _may_read(found: set[Path], path: Path, package: Path) -> bool:
    """Whether one of the modules found may read a file: it lies beside one, or in a folder without
    modules below one; what is no plumbing is read together."""
    if not path.is_relative_to(package):
        return True
    home = next(folder for folder in path.parents if any(folder.glob("*.py")))
    return any(module.parent == home for module in found)
