"""Configuration: the only reader of environment variables and of the files in config/.

Later layers win: config/base.yaml, config/<MLOPS_ENV>.yaml, environment variables
(`MLOPS_TRAIN__EPOCHS=3`), and what the command line gives (`train.epochs=3`). Each room's own
`settings.py` says which sections there are (SECTIONS), and of their keys: which may have a login in
the environment (FROM_ENVIRONMENT), and where a login in a URL belongs instead (LOGINS).
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date
from difflib import get_close_matches
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from . import rooms
from .errors import UserError
from .logins import find, without_login
from .text import listing

CONFIG = Path("config")
ENV_PREFIX = "MLOPS_"
ENVIRONMENT = f"{ENV_PREFIX}ENV"  # names the configuration; ENV alone is the shells' own
OTHER_LOGINS = "set it in the environment, in the variables that its library reads"


class SettingsError(UserError):
    """A configuration that cannot be used: names the file, the key and what is expected."""


class Section(BaseModel):
    """A part of the configuration; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid")


class Settings(BaseSettings):
    """Everything that a run can be told: each section of the configuration by its name."""

    model_config = SettingsConfigDict(extra="forbid")

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


class SomeSettings(Settings):
    """Some sections of the configuration; others may be there too."""

    model_config = SettingsConfigDict(extra="ignore")


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


def sections() -> dict[str, Any]:
    """The type and default of each section; one that depends on the project is a function."""
    known: dict[str, Any] = {}
    for room in rooms("settings"):
        known |= {name: each() if callable(each) else each for name, each in room.SECTIONS.items()}
    return known


def load(
    environment: str | None = None,
    overrides: Iterable[str] = (),
    known_sections: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the configuration of `environment` (default: $MLOPS_ENV, else "local").

    `overrides` are `key.path=value` texts. A program that reads some sections alone, such as the
    server in its image, gives them as `known_sections`. Raises `SettingsError`, one line a mistake.
    """
    base: type[Settings] = Settings if known_sections is None else SomeSettings
    fields = sections() if known_sections is None else dict(known_sections)
    model = create_model("Settings", __base__=base, **fields)
    layers = _files(model, environment or os.environ.get(ENVIRONMENT) or "local")
    below = merge(*(layer() for layer in layers.values()))
    layers["environment variable"] = InitSettingsSource(model, variables(below, model))
    layers["command line"] = InitSettingsSource(model, _parse(overrides))
    for name, layer in layers.items():
        for path in find(layer()):
            raise SettingsError(f"{name}: {'.'.join(path)}: {login_advice('.'.join(path))}")
    try:
        return model(_build_sources=(tuple(reversed(layers.values())), {}))  # type: ignore[call-arg]
    except ValidationError as error:
        lines = [_explain(dict(each), layers, model) for each in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def variables(
    below: Mapping[str, Any] = MappingProxyType({}), model: type[Settings] | None = None
) -> dict[str, Any]:
    """What the environment says; with a `model`, what its settings may hold: no login.

    A part of a name means the key of the layers `below`, or of the model, that is written as it is,
    or else but for capitals; a new key in capitals alone is in small letters. A value in braces or
    brackets is JSON.
    """
    result: dict[str, Any] = {}
    for name, value in os.environ.items():
        parts = name.removeprefix(ENV_PREFIX).split("__")
        if not name.startswith(ENV_PREFIX) or name == ENVIRONMENT:
            continue
        level: Any = below
        for index, part in enumerate(parts):
            known = [*level] if isinstance(level, Mapping) else []
            known += _keys(_section(model, parts[:index]))
            same = [key for key in known if str(key).lower() == part.lower()]
            new = part.lower() if part.isupper() or not index else part
            parts[index] = part if part in known else same[0] if same else new
            level = level.get(parts[index]) if isinstance(level, Mapping) else None
        key, given = ".".join(parts), value
        if model and (parts[0] not in model.model_fields or _is_secret(key, model)):
            continue  # what others mean by the prefix, and what is read where it is used
        if value.startswith(("{", "[")) and key not in _from_environment():
            with suppress(ValueError):  # then it is a text
                given = json.loads(value)
        result = merge(result, _nested(parts, _public(key, given, model) if model else given))
    return result


def with_login(url: str, *path: str) -> str:
    """The URL of that key as the environment gives it, login included, where it is the same one."""
    given: Any = None
    with suppress(KeyError, TypeError):
        given = reduce(getitem, path, variables())
    return given if isinstance(given, str) and without_login(given) == url else url


def login_advice(key: str) -> str:
    """What to do about a login in the URL of that key, of which no settings hold one."""
    tables = [getattr(room, "LOGINS", {}) for room in rooms("settings")]
    advice = {begin: text for table in tables for begin, text in table.items()}
    begin = max((each for each in advice if key.startswith(each)), key=len, default="")
    return f"a login is in it; leave it out: {advice.get(begin, OTHER_LOGINS)}"


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Nested configuration in one, the later layers on top."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = merged.get(key)
            both = isinstance(old, dict) and isinstance(value, dict)
            merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _files(model: type[Settings], environment: str) -> dict[str, InitSettingsSource]:
    base, specific = CONFIG / "base.yaml", CONFIG / f"{environment}.yaml"
    if base.exists() and not specific.exists():
        names = listing(sorted(path.stem for path in CONFIG.glob("*.yaml") if path != base))
        raise SettingsError(f"{ENVIRONMENT}={environment}: no {specific}; there are {names}")
    layers: dict[str, InitSettingsSource] = {}
    for path in (base, specific):
        if not path.exists():
            raise SettingsError(f"{path} is missing: run this in the project's own folder")
        try:
            layers[str(path)] = YamlConfigSettingsSource(model, path)
        except yaml.YAMLError as error:
            raise SettingsError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
        except (AttributeError, TypeError, ValueError):
            raise SettingsError(f"{path}: expected keys and values") from None
    return layers


def _parse(overrides: Iterable[str]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not (equals and key):
            raise SettingsError(f"{text!r}: expected key=value, such as train.epochs=5")
        result = merge(result, _nested(key.split("."), yaml.safe_load(value)))
    return result


def _explain(error: dict[str, Any], layers: Mapping[str, Any], model: type[Settings]) -> str:
    """One line for one mistake: the layer that holds the value, the key, what is expected."""
    path = [str(part) for part in error["loc"]]
    key, section = ".".join(path), _section(model, path[:-1])
    if error["type"] == "missing":
        return f"{next(iter(layers))}: {key} is missing"
    holding = (name for name in reversed([*layers]) if _holds(layers[name](), path))
    where = f"{next(holding, 'default')}: {key}"
    if error["type"] == "extra_forbidden":
        if _is_secret(key, model):
            variable = ENV_PREFIX + key.upper().replace(".", "__")
            return f"{where}: set it in the environment: {variable}"
        known = _keys(section)
        close = get_close_matches(path[-1], known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {listing(known)}"
        noun = getattr(section, "noun", "key")
        return f"{where}: no such {noun}; {hint if known else 'there are none'}"
    message = error["msg"].removeprefix("Value error, ")
    beside = [each.rpartition(".")[0] for each in _from_environment()]
    if isinstance(error["input"], Mapping) or ".".join(path[:-1]) in beside:
        return f"{where}: {message}"  # without the value: it may hold a password
    given = error["input"]
    return f"{where}: {message} (got {given if isinstance(given, date) else repr(given)})"


@cache
def _from_environment() -> set[str]:
    """The keys of which the environment may hold a login, and the secrets that it alone holds."""
    return {key for room in rooms("settings") for key in getattr(room, "FROM_ENVIRONMENT", ())}


def _section(kind: Any, path: Iterable[str]) -> Any:
    """The type of the value at that path of a model."""
    for part in path:
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
        else:
            field = getattr(kind, "model_fields", {}).get(part)
            kind = field.annotation if field else None
        if type(None) in get_args(kind):
            kind = get_args(kind)[0]
    return kind


def _keys(section: Any) -> list[str]:
    fields = getattr(section, "model_fields", None)
    return [*(getattr(section, "__annotations__", {}) if fields is None else fields)]


def _is_secret(key: str, model: type[Settings]) -> bool:
    """Whether the environment alone has that key: no section does."""
    *path, last = key.split(".")
    return key in _from_environment() and last not in _keys(_section(model, path))


def _public(key: str, value: Any, model: type[Settings]) -> Any:
    """A value from the environment as settings may hold it: no login or secret, in JSON neither."""
    if isinstance(value, dict):
        inside = {name: f"{key}.{name}" for name in value if not _is_secret(f"{key}.{name}", model)}
        return {name: _public(below, value[name], model) for name, below in inside.items()}
    texts = isinstance(value, str) and key in _from_environment()
    return without_login(value) if texts else value


def _nested(path: Iterable[str], value: Any) -> dict[str, Any]:
    for part in reversed([*path]):
        value = {part: value}
    return value  # type: ignore[no-any-return]


def _holds(values: Any, path: Iterable[str]) -> bool:
    """Whether nested configuration has that key."""
    for part in path:
        if not isinstance(values, Mapping) or part not in values:
            return isinstance(values, list)
        values = values[part]
    return True
