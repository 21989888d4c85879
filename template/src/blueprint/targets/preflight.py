"""What is wrong with a run before it starts: what would else be found after minutes of training."""

import ast
from collections.abc import Iterator
from importlib.util import find_spec

from .. import pipelines
from ..evaluation.settings import problems as gate_problems
from ..settings import Settings, SettingsError
from . import code
from .arguments import arguments


def check(settings: Settings, *, here: bool = True) -> None:
    """Raise `SettingsError`, one line a mistake. `here` is a run with what is installed here."""
    problems = [*gate_problems(settings.gate, settings.data.task), *_arguments(settings)]
    problems += _modules() if here else ()
    if problems:
        raise SettingsError("\n".join(problems))


def _arguments(settings: Settings) -> Iterator[str]:
    """Arguments of `train_model` that nothing gives a value."""
    for name, argument in (arguments() or {}).items():
        if argument.required and name not in settings.train:
            yield f"train.{name} in config/ is missing: in train.py it has no default"


def _modules() -> Iterator[str]:
    """Libraries that data.py and train.py import and that are not installed.

    What is imported in a function or in a `try` may be missing.
    """
    package, folder = pipelines.package(), pipelines.folder()
    for path in sorted(code.files(f"import {package}.data, {package}.train")):
        if not (folder and path.suffix == ".py" and path.is_relative_to(folder)):
            continue
        names: set[str] = set()
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module)
        for name in sorted({name.partition(".")[0] for name in names}):
            if not find_spec(name):
                yield (
                    f"{path.name} imports {name}, which is not installed: `uv add --group training "
                    f"{name}`, or, after a change of answers, take the new {path.name}: "
                    "docs/upgrades.md"
                )
