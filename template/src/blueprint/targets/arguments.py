"""The section `train`: the keyword arguments of `train_model` in the project's train.py."""

import ast
from contextlib import suppress
from typing import Annotated, Any, Literal, NamedTuple, Optional

from pydantic import AfterValidator, BeforeValidator, TypeAdapter, with_config
from typing_extensions import TypedDict

from .. import pipelines
from ..settings import SettingsError

Scalar = bool | int | float | str
TYPES: dict[str, Any] = {each.__name__: each for each in (bool, int, float, str)}
TYPES |= {"Literal": Literal, "Optional": Optional}


class Argument(NamedTuple):
    """A keyword argument of `train_model`: its type and default, None where these are not plain."""

    type: Any
    default: Any
    required: bool


def arguments() -> dict[str, Argument] | None:
    """The keyword arguments of `train_model`, None where the project is not installed.

    Read from the source: importing it would load the framework.
    """
    folder = pipelines.folder()
    if folder is None:
        return None
    path = folder / "train.py"
    try:
        source = ast.parse(path.read_text()) if path.exists() else ast.Module([], [])
    except SyntaxError as error:
        raise SettingsError(f"train.py, line {error.lineno}: {error.msg}") from None
    known = {}
    for node in source.body:
        if isinstance(node, ast.FunctionDef) and node.name == "train_model":
            for argument, value in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
                default = None
                with suppress(ValueError):
                    default = ast.literal_eval(value) if value else None
                declared = _declared(argument.annotation) if argument.annotation else type(default)
                declared = None if declared is type(None) else declared
                known[argument.arg] = Argument(declared, default, value is None)
    return known


def train() -> tuple[Any, Any]:
    """The type and default of the section: the arguments are the keys, and give their types."""
    known = arguments()
    if known is None:
        return dict[str, Scalar], {}
    plain = BeforeValidator(_plain)
    types = {name: Annotated[each.type or Any, plain] for name, each in known.items()}
    section = with_config(extra="forbid")(TypedDict("Train", types, total=False))  # type: ignore[operator]
    section.noun = "argument of train_model in train.py"
    defaults = {name: each.default for name, each in known.items()}
    defaults = {name: value for name, value in defaults.items() if isinstance(value, Scalar)}
    return Annotated[section, AfterValidator(lambda given: defaults | given)], defaults


def _declared(annotation: ast.expr) -> Any:
    """The type that an annotation of Python's own names says, else None."""
    with suppress(Exception):
        declared = eval(ast.unparse(annotation), {"__builtins__": {}}, TYPES)
        TypeAdapter(declared)
        return declared


def _plain(value: Any) -> Any:
    if not isinstance(value, Scalar):
        raise ValueError("expected a number, a text, true or false")
    return value
