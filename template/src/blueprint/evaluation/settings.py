"""The section `gate`: what a model must reach. Its rules are in `blueprint.gate`."""

from collections.abc import Iterator
from difflib import get_close_matches
from importlib.util import find_spec

from ..gate import Gate
from .metrics import TITLES

SECTIONS = {"gate": (Gate, Gate())}


def problems(gate: Gate, task: str) -> Iterator[str]:
    """What the gate cannot ask of a model of this task, a line each: before anything is trained."""
    kind = "regression" if task == "tabular-regression" else "classification"
    if not find_spec(f"{__package__}.{kind}"):
        yield f"data.task in config/: the code of {task} is missing; {GET.format(task)}"
    named = {"gate.champion.metric": gate.champion.metric}
    named |= {f"gate.floors.{name}": name for name in gate.floors}
    named |= {f"gate.slices.floors.{name}": name for name in gate.slices.floors}
    known = TITLES[kind]
    for key, name in named.items():
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            yield f"{key} in config/: {task} has no metric {name!r}; {hint}"
    if gate.slices.classes and kind == "regression":
        yield "gate.slices.classes in config/: a regression has no classes"


GET = '`make upgrade ARGS="task={}"` brings it'
