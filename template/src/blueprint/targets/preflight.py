"""What is wrong with a run before it starts: what would else be found after minutes of training."""

import ast
from collections.abc import Iterator
from difflib import get_close_matches
from importlib.util import find_spec

from .. import pipelines
from ..settings import Settings, SettingsError
from ..settings import arguments as train_arguments
from . import code


def check(settings: Settings, *, here: bool = True) -> None:
    """Raise `SettingsError`, one line a mistake. `here` is a run with what is installed here."""
    problems = [*_gate(settings), *_arguments(settings), *(_modules() if here else ())]
    if problems:
        raise SettingsError("\n".join(problems))


def _gate(settings: Settings) -> Iterator[str]:
    """Metrics that the task does not have, and slices of classes where there are none."""
    from ..evaluation.metrics import classification, regression

    task, gate = settings.data.task, settings.gate
    numbers = task == "tabular-regression"
    known = [*(regression.METRICS if numbers else classification.METRICS)]
    named = {f"gate.floors.{name}": name for name in gate.floors}
    named |= {"gate.champion.metric": gate.champion.metric}
    named |= {f"gate.slices.floors.{name}": name for name in gate.slices.floors}
    for key, name in named.items():
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            yield f"{key} in config/: {task} has no metric {name!r}; {hint}"
    if numbers and gate.slices.classes:
        yield "gate.slices.classes in config/: a regression has no classes"


def _arguments(settings: Settings) -> Iterator[str]:
    """Arguments of `train_model` that nothing gives a value."""
    for name, argument in (train_arguments() or {}).items():
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
