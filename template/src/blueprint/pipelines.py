"""The project that this plumbing runs: its package and its pipelines, as pyproject.toml names them.

The plumbing never imports the project by name: `[project.entry-points."blueprint.pipelines"]` says
what there is, and what is loaded is handed on.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import UserError

GROUP = "blueprint.pipelines"
COMPONENTS: dict[str, Any] = {}  # those that were made, by the names of their functions


def component(function: Callable[..., Any]) -> Any:
    """Make a KFP component of a function; its body runs alone in a container.

    One image runs every step and holds all they need, so nothing is installed when they start. The
    image is put in by `targets.graph.configure`; the name here never reaches a cluster.
    """
    from kfp import dsl

    made = dsl.component(base_image="set-by-configure", install_kfp_package=False)(function)
    COMPONENTS[function.__name__] = made
    return made


def load(name: str = "training") -> Any:
    """The pipeline of that name. Raises `UserError` when pyproject.toml names none."""
    return _entry(name).load()


def names() -> list[str]:
    """The names of the project's pipelines."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def modules() -> list[str]:
    """The modules that hold the project's pipelines."""
    return sorted({entry.module for entry in entry_points(group=GROUP)})


def module(name: str) -> ModuleType:
    """A module of the project's package, such as "train", imported."""
    return import_module(f"{package()}.{name}")


def package() -> str:
    """The name of the project's package."""
    return _entry("training").module.partition(".")[0]


def folder() -> Path | None:
    """The folder of the project's package; None where that is not installed, as in images."""
    try:
        spec = find_spec(package())
    except UserError:
        return None
    return Path(spec.origin).parent if spec and spec.origin else None


@cache
def _entry(name: str) -> EntryPoint:
    for entry in entry_points(group=GROUP, name=name):
        return entry
    raise UserError(
        f'no pipeline {name!r}: pyproject.toml names it in [project.entry-points."{GROUP}"], and '
        "`make setup` installs that"
    )
