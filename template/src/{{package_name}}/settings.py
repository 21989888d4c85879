"""Configuration: the only reader of environment variables and of the files in config/.

Later layers win: config/base.yaml, config/<ENV>.yaml, environment variables
(`MLOPS_TRAIN__EPOCHS=3`), and what the command line gives (`train.epochs=3`).
"""

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource
from pydantic_settings.main import SettingsConfigDict

from .errors import UserError

CONFIG = Path("config")
ENV_PREFIX = "MLOPS_"
Share = Annotated[float, Field(gt=0, lt=1)]
Scalar = bool | int | float | str


class SettingsError(UserError):
    """A configuration that cannot be used: names the file, the key and what is expected."""


class Section(BaseModel):
    """A part of the configuration; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid")


class Split(Section):
    """The shares of all rows that are held out; training gets the rest."""

    validation: Share = 0.15
    test: Share = 0.2

    @model_validator(mode="after")
    def leave_rows_to_train(self) -> "Split":
        if self.validation + self.test >= 1:
            raise ValueError("validation + test must be below 1, so that rows remain to train on")
        return self


class FashionMnist(Section):
    """Where the four files of Fashion-MNIST come from; unset values are the source's own."""

    mirror: str | None = None
    cache: Path | None = None
    checksums: dict[str, str] | None = None


class Data(Section):
    """What is learned from: the source, the label's column and the split."""

    source: Literal["sample", "fashion-mnist"]
    label: str = "label"
    split: Split = Split()
    fashion_mnist: FashionMnist = FashionMnist()

    def options(self) -> dict[str, Any]:
        """The keyword arguments of the chosen source; the Keras cache folder is its default."""
        if self.source != "fashion-mnist":
            return {}
        home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
        given = self.fashion_mnist.model_dump(exclude_none=True)
        return {"cache": home / "datasets" / "fashion-mnist", **given}


class Champion(Section):
    """How the model in service is compared: `margin` is how much worse is still accepted."""

    metric: str = "accuracy"
    margin: Annotated[float, Field(ge=0)] = 0.0


class Gate(Section):
    """What a model must reach to be registered and served."""

    floors: dict[str, float] = {}
    champion: Champion = Champion()


class Registry(Section):
    """The model's name, and the MLflow tracking server; on a laptop a SQLite file and a folder."""

    tracking_uri: str
    artifact_location: str | None = None
    name: str


class Serving(Section):
    """The HTTP server and the folder it reads models from."""

    store: Path
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    workers: Annotated[int, Field(ge=1)] = 1
    max_body_mb: Annotated[float, Field(gt=0)] = 16


class Pipeline(Section):
    """The image that runs every step where steps run in containers."""

    image: str


class Settings(BaseSettings):
    """Everything that a run can be told."""

    model_config = SettingsConfigDict(extra="forbid", env_prefix=ENV_PREFIX)

    data: Data
    train: dict[str, Scalar] = {}
    gate: Gate = Gate()
    registry: Registry
    serving: Serving
    pipeline: Pipeline

    @classmethod
    def settings_customise_sources(  # type: ignore[override]
        cls, *args: Any, init_settings: Any, **kwargs: Any
    ) -> Any:
        return (init_settings,)  # `load` merges the layers, so that an error can name the file


def load(environment: str | None = None, overrides: Iterable[str] = ()) -> Settings:
    """Read the configuration of `environment` (default: $ENV, else "local").

    `overrides` are `key.path=value` texts. Raises `SettingsError`, one line a mistake.
    """
    environment = environment or os.environ.get("ENV") or "local"
    base, specific = CONFIG / "base.yaml", CONFIG / f"{environment}.yaml"
    if base.exists() and not specific.exists():
        names = sorted(path.stem for path in CONFIG.glob("*.yaml") if path != base)
        raise SettingsError(f"ENV={environment}: no {specific}; there are {', '.join(names)}")
    variables = EnvSettingsSource(Settings, env_nested_delimiter="__")
    layers = {
        str(base): _read(base),
        str(specific): _read(specific),
        "environment variable": variables(),
        "command line": _parse(overrides),
    }
    merged: dict[str, Any] = {}
    for name, layer in layers.items():
        if name != str(base):
            _check_train(name, layer.get("train"), layers[str(base)].get("train"))
        merged = _merge(merged, layer)
    try:
        return Settings(**merged)
    except ValidationError as error:
        lines = [_explain(dict(item), layers) for item in error.errors()]
        raise SettingsError("\n".join(lines)) from None


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
        result = _merge(result, value)  # type: ignore[arg-type]
    return result


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _check_train(layer: str, given: Any, declared: Any) -> None:
    """Hold `train` values to the names and types in base.yaml: `train_model` is yours, and no
    schema here knows its arguments."""
    if not isinstance(given, dict) or not isinstance(declared, dict):
        return
    for key, value in given.items():
        where = f"{layer}: train.{key}"
        if key not in declared:
            close = get_close_matches(key, declared, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(declared)}"
            raise SettingsError(f"{where}: not in the train section of config/base.yaml; {hint}")
        kind = type(declared[key])
        try:
            given[key] = TypeAdapter(kind).validate_python(value)
        except ValidationError:
            raise SettingsError(f"{where}: expected {kind.__name__}, got {value!r}") from None


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
    return f"{name}: {key}: {message} (got {error['input']!r})"
