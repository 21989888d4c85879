"""Configuration: the only reader of environment variables and of the files in config/.

Later layers win: config/base.yaml, config/<MLOPS_ENV>.yaml, environment variables
(`MLOPS_TRAIN__EPOCHS=3`), and what the command line gives (`train.epochs=3`).
"""

import ast
import json
import os
import re
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from copy import deepcopy
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Optional

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    TypeAdapter,
    ValidationError,
    create_model,
)

from . import pipelines
from .errors import UserError
from .logins import find, without_login

CONFIG = Path("config")
HERE = Path(__file__).parent
ENV_PREFIX = "MLOPS_"
ENVIRONMENT = f"{ENV_PREFIX}ENV"  # names the configuration; ENV alone is the shells' own
Scalar = bool | int | float | str
PLAIN: dict[str, Any] = {kind.__name__: kind for kind in (bool, int, float, str)}
PLAIN |= {"Literal": Literal, "Optional": Optional}
PASSWORD = f"{ENV_PREFIX}DATA__SQL__PASSWORD"
# What a URL may hold a login in when it comes from the environment; it is read where it is used.
WITH_LOGIN = (("data", "sql", "url"), ("data", "files", "path"), ("registry", "tracking_uri"))
# What takes the place of a login in a URL, by where the key begins.
INSTEAD = {
    "data.sql.url": f"set it in the environment as {PASSWORD}",
    "data.files.path": "object stores take theirs from their cloud's own variables; or set the "
    f"whole URL in the environment as {ENV_PREFIX}DATA__FILES__PATH",
    "registry.tracking_uri": "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the "
    f"environment, or for a database the whole URL as {ENV_PREFIX}REGISTRY__TRACKING_URI",
    "kubeflow.pipeline_root": "Kubeflow takes it from its ConfigMap kfp-launcher",
    "kubeflow": "set KUBEFLOW_TOKEN or KUBEFLOW_COOKIE in the environment",
    "pipeline": "name a Secret in pipeline.every.secrets",
    "images": "`docker login` keeps it",
    "": "set it in the environment, in the variables that its library reads",
}


class SettingsError(UserError):
    """A configuration that cannot be used: names the file, the key and what is expected."""


class Section(BaseModel):
    """A part of the configuration; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid")


def as_text(value: Any) -> Any:
    """A class or date as YAML reads it, back as text: numbers become floats on their way to KFP."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


Text = Annotated[str, BeforeValidator(as_text)]


def matching(pattern: str, expected: str) -> BeforeValidator:
    """Hold a text to a pattern, and say in words what is expected."""

    def check(value: Any) -> str:
        text = str(as_text(value))
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {expected}")
        return text

    return BeforeValidator(check)


class Settings(BaseModel):
    """Everything that a run can be told: each section of the configuration by its name."""

    model_config = ConfigDict(extra="forbid")
    train: dict[str, Scalar] = {}

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def sections() -> dict[str, Any]:
    """The sections that there are, by name: each folder's `settings.py` has its own in SECTIONS."""
    found: dict[str, Any] = {}
    paths = HERE.glob("*/**/settings.py")
    for path in sorted(paths, key=lambda path: (len(path.parts), path)):  # a nested one adds to it
        parts = path.relative_to(HERE).with_suffix("").parts
        found |= import_module(".".join(("blueprint", *parts))).SECTIONS
    return found


def load(
    environment: str | None = None,
    overrides: Iterable[str] = (),
    known_sections: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the configuration of `environment` (default: $MLOPS_ENV, else "local").

    `overrides` are `key.path=value` texts. A program that reads some sections alone, such as the
    server in its image, gives them as `known_sections`; the others are not looked at. Raises
    `SettingsError`, one line a mistake.
    """
    fields = sections() if known_sections is None else dict(known_sections)
    environment = environment or os.environ.get(ENVIRONMENT) or "local"
    base, specific = CONFIG / "base.yaml", CONFIG / f"{environment}.yaml"
    if base.exists() and not specific.exists():
        names = sorted(path.stem for path in CONFIG.glob("*.yaml") if path != base)
        raise SettingsError(
            f"{ENVIRONMENT}={environment}: no {specific}; there are {', '.join(names)}"
        )
    train = arguments()
    files = {str(base): _read(base), str(specific): _read(specific)}
    known = merge({"train": train or {}}, merge(*files.values()))
    layers = files | {
        "environment variable": _without_login(variables(known, {*fields, "train"})),
        "command line": _parse(overrides),
    }
    plain = [(key, each.default) for key, each in (train or {}).items()]
    values = {key: value for key, value in plain if isinstance(value, Scalar)}
    merged: dict[str, Any] = {"train": values} if values else {}
    for name, layer in layers.items():
        if _has(layer, ("data", "sql", "password")):
            raise SettingsError(f"{name}: data.sql.password: set it in the environment: {PASSWORD}")
        for path in find(layer):
            key = ".".join(path)
            instead = next(text for begin, text in INSTEAD.items() if key.startswith(begin))
            raise SettingsError(f"{name}: {key}: a login is in it; leave it out: {instead}")
        if train is not None:
            _check_train(name, layer.get("train"), train)
        merged = merge(merged, layer)
    try:
        model = create_model("Settings", __base__=Settings, **fields)
        if known_sections is not None:
            merged = {key: value for key, value in merged.items() if key in fields}
        return model(**merged)
    except ValidationError as error:
        lines = [_explain(dict(item), layers) for item in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def variables(
    known: Mapping[str, Any] = MappingProxyType({}), names: Container[str] = ("data", "registry")
) -> dict[str, Any]:
    """What the environment says, passwords included; `known` is what the layers below it hold.

    A part of a name means the key that is written as it is, or else but for capitals; a new key in
    capitals alone is in small letters. A value in braces or brackets is JSON.
    """
    result: dict[str, Any] = {}
    for name, value in os.environ.items():
        parts = name.removeprefix(ENV_PREFIX).split("__")
        if not name.startswith(ENV_PREFIX) or parts[0].lower() not in names:
            continue  # MLOPS_ENV, and what others mean by the prefix
        level: Any = known
        for index, part in enumerate(parts):
            keys = [*level] if isinstance(level, Mapping) else []
            same = [key for key in keys if str(key).lower() == part.lower()]
            new = part.lower() if part.isupper() or not index else part
            parts[index] = part if part in keys else same[0] if same else new
            level = level.get(parts[index]) if isinstance(level, Mapping) else None
        given: Any = value
        password = parts[:2] == ["data", "sql"] and len(parts) > 2  # it may begin in any way
        if value.startswith(("{", "[")) and not password:
            with suppress(ValueError):  # then it is a text
                given = json.loads(value)
        for part in reversed(parts):
            given = {part: given}
        result = merge(result, given)
    return result


def with_login(url: str, *path: str) -> str:
    """The URL of that key as the environment gives it, login included, where it is the same one."""
    given: Any = variables()
    for part in path:
        given = given.get(part) if isinstance(given, dict) else None
    return given if isinstance(given, str) and without_login(given) == url else url


def _without_login(variables: dict[str, Any]) -> dict[str, Any]:
    """Leave out what no settings hold: it is read where a source or the registry is opened."""
    variables = deepcopy(variables)
    for *path, last in (*WITH_LOGIN, ("data", "sql", "user"), ("data", "sql", "password")):
        section: Any = variables
        for part in path:
            section = section.get(part) if isinstance(section, dict) else None
        if not isinstance(section, dict) or last not in section:
            continue
        if last in ("user", "password"):
            del section[last]
        elif isinstance(section[last], str):
            section[last] = without_login(section[last])
    if _has(variables, ("data", "sql")) and variables["data"]["sql"] == {}:
        del variables["data"]["sql"]
    return variables


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise SettingsError(f"{path} is missing: run this in the project's own folder") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content or {}, dict):
        raise SettingsError(f"{path}: expected keys and values, got a {type(content).__name__}")
    return content or {}


def _parse(overrides: Iterable[str]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not (equals and key):
            raise SettingsError(f"{text!r}: expected key=value, such as train.epochs=5")
        for part in reversed(key.split(".")):
            value = {part: yaml.safe_load(value) if isinstance(value, str) else value}  # type: ignore[assignment]
        result = merge(result, value)  # type: ignore[arg-type]
    return result


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


class Argument(NamedTuple):
    """A keyword argument of `train_model`: its type and default, None where these are not plain."""

    type: Any
    default: Any
    required: bool


def arguments() -> dict[str, Argument] | None:
    """The keyword arguments of `train_model` in train.py, None where the project is not installed.

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
    found = {}
    for node in source.body:
        if isinstance(node, ast.FunctionDef) and node.name == "train_model":
            for argument, value in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
                default = None
                with suppress(ValueError):
                    default = ast.literal_eval(value) if value else None
                kind = _declared(argument.annotation) if argument.annotation else type(default)
                kind = None if kind is type(None) else kind
                found[argument.arg] = Argument(kind, default, value is None)
    return found


def _declared(annotation: ast.expr) -> Any:
    """The type that an annotation of Python's own names says, else None."""
    with suppress(Exception):
        kind = eval(ast.unparse(annotation), {"__builtins__": {}}, PLAIN)
        TypeAdapter(kind)
        return kind


def _check_train(layer: str, given: Any, known: dict[str, Argument]) -> None:
    """Hold `train` values to the arguments of `train_model`: no schema here knows them, for it is
    yours. A value takes the type of the argument."""
    for key, value in given.items() if isinstance(given, dict) else ():
        where = f"{layer}: train.{key}"
        if key not in known:
            close = get_close_matches(key, known, n=1)
            names = f"it has {', '.join(known)}" if known else "it has none"
            hint = f"did you mean {close[0]}?" if close else names
            raise SettingsError(f"{where}: no argument of train_model in steps/train.py; {hint}")
        if not isinstance(value, Scalar):
            raise SettingsError(f"{where}: expected a number, a text, true or false, got {value!r}")
        kind = known[key].type
        if kind is None:
            continue
        try:
            given[key] = TypeAdapter(kind).validate_python(value)
        except ValidationError:
            name = kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")
            raise SettingsError(f"{where}: expected {name}, got {value!r}") from None


def _has(layer: Any, path: Iterable[str]) -> bool:
    for part in path:
        if not isinstance(layer, Mapping) or part not in layer:
            return False
        layer = layer[part]
    return True


def _explain(error: dict[str, Any], layers: Mapping[str, Any]) -> str:
    """One line for one mistake: the layer that holds the value, the key, what is expected."""
    path = [str(part) for part in error["loc"]]
    key = ".".join(path)
    if error["type"] == "missing":
        return f"{next(iter(layers))}: {key} is missing"
    name = next((name for name in reversed([*layers]) if _has(layers[name], path)), "default")
    if error["type"] == "extra_forbidden":
        return f"{name}: {key}: no such key"
    message = error["msg"].removeprefix("Value error, ")
    if isinstance(error["input"], Mapping) or "sql" in path:  # it may hold a password
        return f"{name}: {key}: {message}"
    return f"{name}: {key}: {message} (got {error['input']!r})"
