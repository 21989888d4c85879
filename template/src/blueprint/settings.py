"""Configuration: the only reader of environment variables and of the files in config/.

Later layers win: config/base.yaml, config/<MLOPS_ENV>.yaml, environment variables
(`MLOPS_TRAIN__EPOCHS=3`), and what the command line gives (`train.epochs=3`).
"""

import ast
import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from copy import deepcopy
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, Optional

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings
from pydantic_settings.main import SettingsConfigDict

from . import pipelines
from .errors import UserError
from .logins import find, without_login

CONFIG = Path("config")
ENV_PREFIX = "MLOPS_"
ENVIRONMENT = f"{ENV_PREFIX}ENV"  # names the configuration; ENV alone is the shells' own
Scalar = bool | int | float | str
PLAIN: dict[str, Any] = {kind.__name__: kind for kind in (bool, int, float, str)}
PLAIN |= {"Literal": Literal, "Optional": Optional}
# fmt: off
Dtype = Literal[
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "float64", "string", "date", "datetime",
]
# fmt: on
PASSWORD = f"{ENV_PREFIX}DATA__SQL__PASSWORD"
# What logs in to Kubeflow: read when it is used, and never part of the settings.
KUBEFLOW_TOKEN, KUBEFLOW_COOKIE = "KUBEFLOW_TOKEN", "KUBEFLOW_COOKIE"
IN_CLUSTER_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")
StepName = Literal[
    "load_data", "train_model", "evaluate_model", "register_model", "deploy_model", "score_rows"
]
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
    "kubeflow": f"set {KUBEFLOW_TOKEN} or {KUBEFLOW_COOKIE} in the environment",
    "pipeline": "name a Secret in pipeline.every.secrets",
    "images": "`docker login` keeps it",
    "": "set it in the environment, in the variables that its library reads",
}


class SettingsError(UserError):
    """A configuration that cannot be used: names the file, the key and what is expected."""


class Section(BaseModel):
    """A part of the configuration; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid")


def _as_bound(value: Any) -> Any:
    return value if isinstance(value, int | float) else str(value)


Bound = Annotated[float | str, BeforeValidator(_as_bound)]


class Split(Section):
    """Which rows are held out; training gets the rest. See docs/data.md.

    `validation` and `test` are shares of the rows; all rows of one `group` are in one set. Or they
    are where each set begins in the column `time`: a day or a number.
    """

    group: str | None = None
    time: str | None = None
    validation: Annotated[Bound, Field(validate_default=True)] = 0.15
    test: Annotated[Bound, Field(validate_default=True)] = 0.2

    @field_validator("validation", "test")
    @classmethod
    def share_or_begin(cls, value: float | str, info: ValidationInfo) -> float | str:
        try:
            value = float(value)
        except ValueError:
            if not (day := _day(str(value))):
                raise ValueError("expected a share, or a day such as 2024-03-01") from None
            if day.tzinfo:
                raise ValueError("leave the time zone out: times are those of UTC") from None
        if not info.data.get("time"):
            if isinstance(value, str):
                raise ValueError("a day, but no data.split.time names the column of days")
            if not 0 < value < 1:
                raise ValueError("a share must be greater than 0 and less than 1")
        elif not isinstance(value, str) and 0 < value < 1:
            raise ValueError("a share, but with data.split.time a set begins at a day or number")
        return value

    @model_validator(mode="after")
    def leave_rows_to_train(self) -> "Split":
        if self.group and self.time:
            raise ValueError("give one of group and time")
        if isinstance(self.validation, str) and isinstance(self.test, str):
            early, late = _day(self.validation), _day(self.test)
            ordered = early is not None and late is not None and early < late
        elif isinstance(self.validation, str) or isinstance(self.test, str):
            raise ValueError("validation and test must both be days or both numbers")
        else:
            ordered = self.validation < self.test
        if self.time and not ordered:
            raise ValueError("test must begin later than validation")
        if not self.time and self.validation + self.test >= 1:  # type: ignore[operator]
            raise ValueError("validation + test must be below 1, so that rows remain to train on")
        return self


def _day(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


class FashionMnist(Section):
    """Where the four files of Fashion-MNIST come from; unset values are the source's own."""

    mirror: str | None = None
    cache: Path | None = None
    checksums: dict[str, str] | None = None


class Files(Section):
    """CSV or Parquet files, or a folder of pictures: a path, a glob, or the URL of a bucket."""

    path: str
    format: Literal["csv", "parquet", "images"] | None = None
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    null_values: list[str] = []


class Sql(Section):
    """A database, and the rows of it. User and password come from the environment alone."""

    url: str | None = None
    query: str | None = None
    table: str | None = None

    @field_validator("url")
    @classmethod
    def hold_no_password(cls, url: str | None) -> str | None:
        if url and without_login(url) != url:
            raise ValueError(f"a login is in it; leave it out: {INSTEAD['data.sql.url']}")
        return url

    @model_validator(mode="after")
    def name_rows(self) -> "Sql":
        if (self.query is None) == (self.table is None):
            raise ValueError("give one of query and table")
        return self


def _as_text(value: Any) -> Any:
    """A class or date as YAML reads it, back as text: numbers become floats on their way to KFP."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


Text = Annotated[str, BeforeValidator(_as_text)]


class Column(Section):
    """What every value of a column is held to; unset is not checked. See docs/data.md."""

    dtype: Dtype | None = None
    min: Bound | None = None
    max: Bound | None = None
    values: Annotated[list[Text], Field(min_length=1)] | None = None
    nullable: bool = False


class Data(Section):
    """What is learned, and from what: the source, its columns, the label's column, the split."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    task: Literal["image-classification", "tabular-classification", "tabular-regression"]
    source: Literal["sample", "fashion-mnist", "files", "sql"]
    label: str = "label"
    split: Split = Split()
    columns: dict[str, Column] = {}
    extra_columns: Literal["refuse", "drop", "keep"] = "refuse"
    unlabelled: Literal["refuse", "drop"] = "refuse"
    quarantine: bool = False
    fashion_mnist: FashionMnist = FashionMnist()
    files: Files | None = None
    sql: Sql | None = None

    @model_validator(mode="after")
    def describe_source(self) -> "Data":
        if self.source == "files" and self.files is None:
            raise ValueError("source: files needs data.files.path")
        if self.source == "sql" and self.sql is None:
            raise ValueError("source: sql needs data.sql.url and data.sql.query or data.sql.table")
        return self

    @model_validator(mode="after")
    def fit_task(self) -> "Data":
        tabular = self.task != "image-classification"
        pictures = self.files is not None and self.files.format == "images"
        if tabular and (self.source == "fashion-mnist" or (self.source == "files" and pictures)):
            raise ValueError(
                f"source: {self.source} gives pictures; task: {self.task} needs a table"
            )
        label = self.columns.get(self.label, Column())
        if label.nullable:
            raise ValueError(f"columns.{self.label}: the label cannot be nullable")
        if label.values and self.task == "tabular-regression":
            raise ValueError(f"columns.{self.label}: a regression has no classes, so no values")
        if self.label in (self.split.group, self.split.time):
            raise ValueError(f"split: {self.label} is the label, so rows cannot be split by it")
        return self

    def nullable(self) -> list[str]:
        """The names of the columns in which values may be missing."""
        return [name for name, column in self.columns.items() if column.nullable]

    def declared(self) -> list[str]:
        """The names of the columns of which the type or all values are given."""
        return [name for name, column in self.columns.items() if column.dtype or column.values]

    def options(self) -> dict[str, Any]:
        """The keyword arguments of the chosen source; credentials are read only here."""
        dtypes = {name: column.dtype for name, column in self.columns.items() if column.dtype}
        if self.source == "fashion-mnist":
            home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
            given = self.fashion_mnist.model_dump(exclude_none=True)
            return {"cache": home / "datasets" / "fashion-mnist", **given}
        if self.source == "files" and self.files:
            path = with_login(self.files.path, "data", "files", "path")
            return {**self.files.model_dump(), "path": path, "texts": list(dtypes)}
        if self.source == "sql" and self.sql:
            return {**self.sql.model_dump(), **self._login(self.sql), "dtypes": dtypes}
        return {"task": self.task}

    def origin(self) -> str:
        """The source as errors, records and reports name it."""
        if self.source == "files" and self.files:
            return f"files {self.files.path}"
        if self.source == "sql" and self.sql:
            url = self.sql.url or without_login(self._login(self.sql)["url"])
            return f"sql {re.sub('//.*@', '//', url).partition('?')[0]}"
        return self.source

    def _login(self, sql: Sql) -> dict[str, Any]:
        """URL, user and password; one in $MLOPS_DATA__SQL__URL goes to no other database."""
        given = _variables().get("data", {}).get("sql", {})
        url = given.get("url", "")
        if sql.url and without_login(url) != sql.url:
            url = sql.url
        if not url:
            raise SettingsError(
                f"data.sql.url is missing: set it in config/ or as {ENV_PREFIX}DATA__SQL__URL"
            )
        return {"url": url, "user": given.get("user"), "password": given.get("password")}


class Champion(Section):
    """How the model in service is compared: it may be better by `margin`, but surely not by more.

    `confidence` is that of the comparison, and of McNemar's test.
    """

    metric: str = "accuracy"
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95


class Slices(Section):
    """Floors for parts of the test rows: each value of `columns`, and each class. Off without any.

    Parts of fewer than `min_rows` rows are not judged.
    """

    columns: list[str] = []
    classes: bool = False
    min_rows: Annotated[int, Field(ge=1)] = 50
    floors: dict[str, float] = {}

    @model_validator(mode="after")
    def be_whole(self) -> "Slices":
        if bool(self.floors) != bool(self.columns or self.classes):
            raise ValueError("give floors, and columns or classes: true, to which they apply")
        return self


class Budgets(Section):
    """What one prediction and the exported model may cost; unset is not asked for."""

    latency_ms: Annotated[float, Field(gt=0)] | None = None
    size_mb: Annotated[float, Field(gt=0)] | None = None


class Gate(Section):
    """What a model must reach to be registered and served. See docs/gate.md."""

    floors: dict[str, float] = {}
    baseline: bool = True
    champion: Champion = Champion()
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.0
    slices: Slices = Slices()
    budgets: Budgets = Budgets()


class Registry(Section):
    """The model's name, and the MLflow tracking server; on a laptop a SQLite file and a folder."""

    tracking_uri: Annotated[str, Field(min_length=1)]
    artifact_location: str | None = None
    name: str


class Batching(Section):
    """Requests that wait for each other, to be predicted together; off while `wait_ms` is 0.

    None waits longer than `wait_ms`, and no batch has more than `max_rows` rows.
    """

    wait_ms: Annotated[float, Field(ge=0, le=1000)] = 0
    max_rows: Annotated[int, Field(ge=1)] = 64


class Serving(Section):
    """What answers requests, and the folder it reads models from. See docs/serving.md.

    `threads` is how many cores one prediction uses; by default one, or all if the model is slow.
    A request may take `timeout_seconds` and have `max_body_mb` and `max_rows`. A worker has at most
    `max_waiting` predictions under way, `max_bodies_mb` of large requests in memory, and
    `max_connections`, of which one that is idle lives `keep_alive_seconds`. Without a `store`, a
    deployment is the champion's alias alone.
    """

    store: Path | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    workers: Annotated[int, Field(ge=1)] = 1
    threads: Annotated[int, Field(ge=1)] | None = None
    max_body_mb: Annotated[float, Field(gt=0)] = 16
    timeout_seconds: Annotated[float, Field(gt=0)] = 30
    max_waiting: Annotated[int, Field(ge=1)] = 64
    max_rows: Annotated[int, Field(ge=1)] = 100_000
    max_bodies_mb: Annotated[float, Field(gt=0)] = 64
    max_connections: Annotated[int, Field(ge=1)] = 1000
    keep_alive_seconds: Annotated[int, Field(ge=1)] = 75  # proxies keep theirs for 60
    poll_seconds: Annotated[float, Field(gt=0)] = 0.5  # until a deployment is seen
    batching: Batching = Batching()
    log_requests: bool = False

    def folder(self) -> Path:
        """The store, for what cannot do without one."""
        if self.store is None:
            raise SettingsError("serving.store is not set: it names the folder to read models from")
        return self.store


class Batch(Section):
    """How many rows are scored in bulk. See docs/batch.md.

    Unset options of CSV are those of `data.files`. A killed run loses at most `part_rows` rows'
    work. Rows in `quarantine` are kept without a prediction; without it, the first one stops.
    """

    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    null_values: list[str] | None = None
    part_rows: Annotated[int, Field(ge=1)] = 100_000
    quarantine: bool = False


def _matching(pattern: str, expected: str) -> BeforeValidator:
    """Hold a text to a pattern, and say in words what is expected."""

    def check(value: Any) -> str:
        text = str(_as_text(value))
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {expected}")
        return text

    return BeforeValidator(check)


Cores = Annotated[str, _matching(r"\d+(\.\d+)?|\d+m", "a number of cores, such as 2 or 500m")]
Size = Annotated[str, _matching(r"\d+(Ki|Mi|Gi|Ti|K|M|G|T)", "a size, such as 4Gi")]
# As Kubernetes has them.
Name = Annotated[str, _matching(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", "a name in Kubernetes")]
Variable = Annotated[str, _matching(r"[A-Za-z_][A-Za-z0-9_]*", "the name of a variable")]


class Toleration(Section):
    """A taint of nodes that a step's pod may run on all the same, in Kubernetes' words."""

    key: str | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None

    @model_validator(mode="after")
    def be_whole(self) -> "Toleration":
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("operator: Exists takes no value")
        if self.operator == "Equal" and self.key is None:
            raise ValueError("operator: Equal needs a key")
        return self


class Step(Section):
    """What the pod of a step is given on a cluster; a laptop does without. See
    docs/configuration.md.

    `cpu` is asked for, `memory` is asked for and is the limit. `secrets` names Kubernetes Secrets:
    {name: {key in it: variable of the step}}. Unset is the cluster's own default.
    """

    cpu: Cores | None = None
    memory: Size | None = None
    gpu: Annotated[int, Field(ge=1)] | None = None
    gpu_resource: str = "nvidia.com/gpu"
    shared_memory: Size | None = None
    node_selector: dict[str, Text] = {}
    tolerations: list[Toleration] = []
    variables: dict[Variable, Text] = {}
    secrets: dict[Name, dict[str, Variable]] = {}
    image_pull_secrets: list[Name] = []
    retries: Annotated[int, Field(ge=0)] | None = None
    timeout_seconds: Annotated[int, Field(gt=0)] | None = None
    cache: bool | None = None


class Pipeline(Section):
    """The image that runs every step where steps run in containers, and what their pods are given.

    `image` unset is the one that `make images` built or `make push` pushed last. `every` is for
    every step, `steps` adds to it for one. A finished run's pods are kept `ttl_seconds`.
    """

    image: str | None = None
    every: Step = Step()
    steps: dict[StepName, Step] = {}
    ttl_seconds: Annotated[int, Field(ge=0)] | None = None

    def step(self, name: str) -> Step:
        """What the step is given: `every`, and its own on top."""
        layers = [self.every, self.steps.get(name, Step())]  # type: ignore[call-overload]
        given = [layer.model_dump(exclude_unset=True) for layer in layers]
        return Step.model_validate(_merge(*given))


class Kubeflow(Section):
    """A Kubeflow Pipelines installation: its address, how one logs in, and where runs go.

    `endpoint` is that of the API; `ui` that of the pages, where it is another. `namespace` is the
    profile's in an installation for many users, else unset. See docs/kubeflow.md.
    """

    endpoint: Annotated[str, Field(pattern="^https?://")] | None = None
    ui: Annotated[str, Field(pattern="^https?://")] | None = None
    namespace: Name | None = None
    experiment: str | None = None
    auth: Literal["none", "token", "in-cluster", "cookie", "iap"] = "none"
    token_file: Path | None = None
    client_id: str | None = None
    ca: Path | None = None
    pipeline_root: str | None = None
    service_account: Name | None = None
    poll_seconds: Annotated[float, Field(gt=0)] = 3
    timeout_seconds: Annotated[float, Field(gt=0)] = 30

    @model_validator(mode="after")
    def fit_login(self) -> "Kubeflow":
        if self.token_file and self.auth not in ("token", "in-cluster"):
            raise ValueError("token_file, but auth is not token")
        if (self.auth == "iap") != bool(self.client_id):
            raise ValueError("auth: iap and client_id go together")
        return self

    def token(self) -> str:
        """The token as it is now, "" where there is none: from its file, or $KUBEFLOW_TOKEN."""
        file = self.token_file or (IN_CLUSTER_TOKEN if self.auth == "in-cluster" else None)
        if file is None:
            return os.environ.get(KUBEFLOW_TOKEN, "").strip()
        try:
            return file.expanduser().read_text().strip()
        except OSError:
            return ""

    def cookie(self) -> str:
        """The cookie of a browser's session, from $KUBEFLOW_COOKIE, "" where there is none."""
        return os.environ.get(KUBEFLOW_COOKIE, "").strip() if self.auth == "cookie" else ""


class Images(Section):
    """What the project's two images are called, before `-pipeline` and `-serving`, and where
    `make push` takes them."""

    prefix: str
    registry: str | None = None

    def name(self, kind: str) -> str:
        """The repository of an image, without its registry."""
        return f"{self.prefix}-{kind}"


class Settings(BaseSettings):
    """Everything that a run can be told."""

    model_config = SettingsConfigDict(extra="forbid", env_prefix=ENV_PREFIX)

    data: Data
    train: dict[str, Scalar] = {}
    gate: Gate = Gate()
    registry: Registry
    serving: Serving = Serving()
    batch: Batch = Batch()
    pipeline: Pipeline = Pipeline()
    images: Images
    kubeflow: Kubeflow | None = None

    def scoring(self) -> Batch:
        """The section `batch`, what it leaves open taken from the source of the training data."""
        files = self.data.files.model_dump() if self.data.files else {}
        given = {key: files.get(key) for key in ("separator", "null_values")}
        return Batch.model_validate(given | self.batch.model_dump(exclude_none=True))

    @classmethod
    def settings_customise_sources(  # type: ignore[override]
        cls, *args: Any, init_settings: Any, **kwargs: Any
    ) -> Any:
        return (init_settings,)  # `load` merges the layers, so that an error can name the file


def load(environment: str | None = None, overrides: Iterable[str] = ()) -> Settings:
    """Read the configuration of `environment` (default: $MLOPS_ENV, else "local").

    `overrides` are `key.path=value` texts. Raises `SettingsError`, one line a mistake.
    """
    environment = environment or os.environ.get(ENVIRONMENT) or "local"
    base, specific = CONFIG / "base.yaml", CONFIG / f"{environment}.yaml"
    if base.exists() and not specific.exists():
        names = sorted(path.stem for path in CONFIG.glob("*.yaml") if path != base)
        raise SettingsError(
            f"{ENVIRONMENT}={environment}: no {specific}; there are {', '.join(names)}"
        )
    train = arguments()
    files = {str(base): _read(base), str(specific): _read(specific)}
    known = _merge({"train": train or {}}, _merge(*files.values()))
    layers = files | {
        "environment variable": _without_login(_variables(known)),
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
        merged = _merge(merged, layer)
    try:
        return Settings(**merged)
    except ValidationError as error:
        lines = [_explain(dict(item), layers) for item in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def _variables(known: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """What the environment says, passwords included; `known` is what the layers below it hold.

    A part of a name means the key that is written as it is, or else but for capitals; a new key in
    capitals alone is in small letters. A value in braces or brackets is JSON.
    """
    result: dict[str, Any] = {}
    for name, value in os.environ.items():
        parts = name.removeprefix(ENV_PREFIX).split("__")
        if not name.startswith(ENV_PREFIX) or parts[0].lower() not in Settings.model_fields:
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
        result = _merge(result, given)
    return result


def with_login(url: str, *path: str) -> str:
    """The URL of that key as the environment gives it, login included, where it is the same one."""
    given: Any = _variables()
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
        result = _merge(result, value)  # type: ignore[arg-type]
    return result


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merge(old, value) if both else value  # type: ignore[arg-type]
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
