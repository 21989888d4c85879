"""What is wrong with a run before it starts: what would else be found after minutes of training."""

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from .. import pipelines
from ..evaluation.settings import problems as gate_problems
from ..settings import Settings, SettingsError
from . import code
from .arguments import arguments


def check(asked: Settings, *, here: bool = True) -> None:
    """Raise `SettingsError`, one line a mistake. `here` is a run with what is installed here."""
    problems = [*gate_problems(asked.gate, asked.data.task), *_arguments(asked)]
    problems += _modules() if here else ()
    if problems:
        raise SettingsError("\n".join(problems))


def _arguments(asked: Settings) -> Iterator[str]:
    """Arguments of `train_model` that nothing gives a value."""
    for name, argument in (arguments() or {}).items():
        if argument.required and name not in asked.train:
            yield f"train.{name} in config/ is missing: in train.py it has no default"


def _modules() -> Iterator[str]:
    """Libraries that the owner's steps import and that are not installed: those of another answer.

    What is imported in a function or in a `try` may be missing.
    """
    package, folder = pipelines.package(), pipelines.folder()
    owned = f"import {package}.data, {package}.train"
    for path in sorted(code.files(owned)):
        if folder and path.suffix == ".py" and path.is_relative_to(folder):
            for node in ast.parse(path.read_bytes()).body:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                for name in {name.partition(".")[0] for name in names}:
                    if not find_spec(name):
                        yield _missing(path, name)


def _missing(path: Path, name: str) -> str:
    where = path.name
    return (
        f"{where} imports {name}, which is not installed: `uv add --group training {name}`, or, "
        "after a change of answers, take steps/ of the new ones: docs/upgrades.md"
    )
