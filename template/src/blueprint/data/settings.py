"""The section `data`: the source, its columns, the label's column, the split."""

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ..logins import without_login
from ..settings import (
    ENV_PREFIX,
    Section,
    SettingsError,
    Text,
    login_advice,
    variables,
    with_login,
)

# fmt: off
Dtype = Literal[
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "float64", "string", "date", "datetime",
]
# fmt: on


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
            raise ValueError(login_advice("data.sql.url"))
        return url

    @model_validator(mode="after")
    def name_rows(self) -> "Sql":
        if (self.query is None) == (self.table is None):
            raise ValueError("give one of query and table")
        return self


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
        given = variables().get("data", {}).get("sql", {})
        url = given.get("url", "")
        if sql.url and without_login(url) != sql.url:
            url = sql.url
        if not url:
            raise SettingsError(
                f"data.sql.url is missing: set it in config/ or as {ENV_PREFIX}DATA__SQL__URL"
            )
        return {"url": url, "user": given.get("user"), "password": given.get("password")}


SECTIONS = {"data": (Data, ...)}
FROM_ENVIRONMENT = ("data.sql.url", "data.sql.user", "data.sql.password", "data.files.path")
LOGINS = {
    "data.sql.url": f"set it in the environment as {ENV_PREFIX}DATA__SQL__PASSWORD",
    "data.files.path": "object stores take theirs from their cloud's own variables; or set the "
    f"whole URL in the environment as {ENV_PREFIX}DATA__FILES__PATH",
}
