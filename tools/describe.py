"""Prints as JSON what the plumbing of a project says of its settings and commands.

Run by tools/introspect.py in a rendering, with that project's own packages.
"""

import inspect
import json
import types
import typing

from annotated_types import Ge, Gt, Le, Lt, MinLen
from blueprint import cli, settings
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from typer.main import get_command

PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false"}
BOUNDS = {Ge: "≥ {}", Gt: "> {}", Le: "≤ {}", Lt: "< {}"}


def model_of(kind):
    """The section in a type, and how its keys go on below a list or mapping of them."""
    if inspect.isclass(kind) and issubclass(kind, BaseModel):
        return kind, ""
    holder = {dict: ".NAME", list: "[]"}.get(typing.get_origin(kind), "")
    for part in typing.get_args(kind):
        found = model_of(part)
        if found[0]:
            return found[0], holder or found[1]
    return None, ""


def words(kind, metadata=()):
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return words(parts[0], parts[1:])
    bounds = []
    for each in metadata:
        for part in [each, *getattr(each, "metadata", ())]:
            if isinstance(part, MinLen):
                bounds.append("not empty")
            elif type(part) in BOUNDS:
                bounds.append(BOUNDS[type(part)].format(getattr(part, type(part).__name__.lower())))
        function = getattr(each, "func", None)
        known = inspect.getclosurevars(function).nonlocals if inspect.isfunction(function) else {}
        if "expected" in known:  # settings.matching: it says in words what it expects
            return str(known["expected"])
    if origin is typing.Literal:
        text = ", ".join(f"`{part}`" for part in parts)
    elif origin in (typing.Union, types.UnionType):
        text = " or ".join(dict.fromkeys(words(p) for p in parts if p is not type(None)))
    elif origin is list:
        text = f"list of {words(parts[0])}"
    elif origin is dict:
        text = f"mapping of {words(parts[0])} to {words(parts[1])}"
    elif model_of(kind)[0]:
        text = "a section"
    elif kind in PLAIN:
        text = PLAIN[kind]
    else:
        text = getattr(kind, "__name__", str(kind)).lower()
    return ", ".join([text, *dict.fromkeys(bounds)])


def shown(value):
    if value is PydanticUndefined or value is ...:
        return "needed"
    if value is None:
        return "unset"
    if isinstance(value, BaseModel):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def describe(model):
    fields = []
    for name, field in model.model_fields.items():
        inner, holder = model_of(field.annotation)
        default = field.get_default(call_default_factory=True)
        fields.append(
            {
                "key": name,
                "holder": holder,
                "type": words(field.annotation, field.metadata),
                "default": "" if inner and not holder else shown(default),
                "section": describe(inner) if inner else None,
            }
        )
    own = "__doc__" in vars(model) and model.__doc__
    return {
        "name": model.__name__,
        "says": inspect.cleandoc(model.__doc__) if own else "",
        "fields": fields,
    }


sections = {}
for name, (kind, _) in settings.sections().items():
    inner, holder = model_of(kind)
    sections[name] = describe(inner) if inner else {"name": "", "says": "", "fields": []}
commands = {}
for name, command in get_command(cli.app).commands.items():
    parameters = []
    for each in command.params:
        text = getattr(each, "help", "") or ""
        if each.param_type_name == "argument":
            label = each.metavar or each.name.upper()
            label = label if each.required or each.metavar else f"[{label}]"
        else:
            label = " / ".join([*each.opts, *each.secondary_opts])
            if not each.is_flag:
                label += f" {each.name.upper()}"
            if each.default not in (None, "", False) and not callable(each.default):
                value = (
                    str(each.default).lower() if isinstance(each.default, bool) else each.default
                )
                text += f" (default {value})"
        if each.name != "help":
            parameters.append([label, text])
    commands[name] = {"says": " ".join((command.help or "").split()), "parameters": parameters}
print(json.dumps({"prefix": settings.ENV_PREFIX, "sections": sections, "commands": commands}))
