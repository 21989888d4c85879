"""Which of these tests concern this project: those whose imports are there.

The tests of every answer come along, the modules they test only where they were asked for. A test
file that imports a module which this project lacks is not collected. That this hides no mistake is
held by the template's tests: each file is collected in one of the projects they render.
"""

import ast
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import blueprint

TESTS = Path(__file__).parent
SOURCE = Path(blueprint.__file__).parent


def not_for_this_project() -> list[str]:
    """Folders and files that are not collected, relative to this one."""
    folders = [file.parent for file in TESTS.glob("**/conftest.py") if file.parent != TESTS]
    missing = [folder for folder in folders if lacks(folder / "conftest.py")]
    missing += [file for file in TESTS.glob("**/test_*.py") if lacks(file)]
    return [str(path.relative_to(TESTS)) for path in missing]


@cache
def lacks(file: Path) -> bool:
    """Whether an import at the top of the file cannot succeed here."""
    return any(
        not all(exists(module, name) for module, name in imports(statement))
        for statement in ast.parse(file.read_text()).body
    )


def imports(statement: ast.stmt) -> list[tuple[str, str]]:
    """What a statement imports: pairs of a module and a name in it, which may be empty."""
    if isinstance(statement, ast.Import):
        return [(alias.name, "") for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        return [(statement.module or "", alias.name) for alias in statement.names]
    return []


def exists(module: str, name: str) -> bool:
    first, *rest = module.split(".")
    if first == "blueprint":
        return is_there(SOURCE.joinpath(*rest), name)
    helper = TESTS / f"{'/'.join(module.split('.'))}.py"
    if helper.exists():
        return not lacks(helper)
    return find_spec(first) is not None


def is_there(path: Path, name: str) -> bool:
    """Whether the plumbing has this module and, where it is a package, the name in it."""
    if path.with_suffix(".py").exists():
        return True
    init = path / "__init__.py"
    if not init.exists():
        return False
    parts = (path / name, path / f"{name}.py")
    in_init = re.search(rf"\b{name}\b", init.read_text())
    return not name or any(part.exists() for part in parts) or bool(in_init)
