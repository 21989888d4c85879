"""The section `data`: the source, its columns, the label's column, the split."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from ..settings import Section, Text
from ..text import listing
from . import sources

# fmt: off
Dtype = Literal[
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "float64", "string", "date", "datetime",
]
# fmt: on

Bound = Annotated[
    float | str, BeforeValidator(lambda it: it if isinstance(it, int | float) else str(it))
]


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
        time = info.data.get("time")
        try:
            value = float(value)
        except ValueError:
            if not (day := _day(str(value))):
                raise ValueError("expected a share, or a day such as 2024-03-01") from None
            if day.tzinfo:
                raise ValueError("leave the time zone out: times are those of UTC") from None
            if not time:
                raise ValueError("a day, but no data.split.time names the column of days") from None
        else:
            if time and 0 < value < 1:
                raise ValueError("a share; with data.split.time a set begins at a day or number")
            if not time and not 0 < value < 1:
                raise ValueError("a share must be greater than 0 and less than 1")
        return value

    @model_validator(mode="after")
    def leave_rows_to_train(self) -> "Split":
        if self.group and self.time:
            raise ValueError("give one of group and time")
        begins = [_day(v) if isinstance(v, str) else v for v in (self.validation, self.test)]
        if isinstance(begins[0], float) != isinstance(begins[1], float):
            raise ValueError("validation and test must both be days or both numbers")
        if self.time and not begins[0] < begins[1]:  # type: ignore[operator]
            raise ValueError("test must begin later than validation")
        if not self.time and begins[0] + begins[1] >= 1:  # type: ignore[operator]
            raise ValueError("validation + test must be below 1, so that rows remain to train on")
        return self


def _day(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


class Column(Section):
    """What every value of a column must be; unset is not checked. See docs/data.md.

    Bounds include themselves. A missing value is a null or a NaN. Those of the label are the
    classes, in this order.
    """

    dtype: Dtype | None = None
    min: Bound | None = None
    max: Bound | None = None
    values: Annotated[list[Text], Field(min_length=1)] | None = None
    nullable: bool = False


class BaseData(Section):
    """What is learned, and from what: the source, its columns, the label's column, the split."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    task: Literal["image-classification", "tabular-classification", "tabular-regression"]
    source: str
    label: str = "label"
    split: Split = Split()
    columns: dict[str, Column] = {}
    extra_columns: Literal["refuse", "drop", "keep"] = "refuse"
    unlabelled: Literal["refuse", "drop"] = "refuse"
    quarantine: bool = False

    @field_validator("source")
    @classmethod
    def be_there(cls, source: str) -> str:
        if source not in sources.names():
            there = listing(sources.names())
            raise ValueError(
                f"this project reads {there}; `make upgrade ARGS=data_source={source}` adds a "
                "source that the template has"
            )
        return source

    @model_validator(mode="after")
    def describe_source(self) -> "BaseData":
        section = getattr(self, self.source.replace("-", "_"), None)
        needs = self._of_source("NEEDS", "")
        if needs and section is None:
            raise ValueError(f"source: {self.source} needs {needs}")
        pictures = self._of_source("PICTURES", getattr(section, "format", None) == "images")
        if pictures and self.task != "image-classification":
            text = f"source: {self.source} gives pictures; task: {self.task} needs a table"
            raise ValueError(text)
        return self

    @model_validator(mode="after")
    def fit_label(self) -> "BaseData":
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

    @property
    def fixed(self) -> bool:
        """Whether the source is the same at every reading."""
        return bool(self._of_source("FIXED", default=False))

    @property
    def cached(self) -> bool:
        """Whether rows that were read before are used again, where the settings do not say."""
        return bool(self._of_source("CACHED", default=True))

    def version(self) -> str:
        """What changes when the source's files do, "" for other sources. Raises `DataError`."""
        return str(self._of_source("version", ""))

    def options(self) -> dict[str, Any]:
        """The keyword arguments of the source's `scan`; credentials are read only here."""
        return dict(self._of_source("options", {"task": self.task}))

    def origin(self) -> str:
        """The source as errors, records and reports name it."""
        return str(self._of_source("origin", self.source))

    def only_here(self) -> str:
        """Why the pods of a cluster cannot read the source, "" where they can."""
        return str(self._of_source("only_here", ""))

    def _of_source(self, name: str, default: Any) -> Any:
        """What the source's module says of these settings, where it does."""
        value = getattr(sources.module(self.source), name, default)
        return value(self) if callable(value) else value


def _sections() -> dict[str, Any]:
    """The section of each source that has one, by its name."""
    modules = {name.replace("-", "_"): sources.module(name) for name in sources.names()}
    types = {name: getattr(module, "Settings", None) for name, module in modules.items()}
    return {
        name: (section | None, None) if hasattr(modules[name], "NEEDS") else (section, section())
        for name, section in types.items()
        if section
    }


if TYPE_CHECKING:
    Data = BaseData
else:
    Data = create_model("Data", __base__=BaseData, __doc__=BaseData.__doc__, **_sections())

SECTIONS = {"data": (Data, ...)}
# Which keys may have a login in the environment, and what to do about one elsewhere.
_MODULES = [sources.module(name) for name in sources.names()]
FROM_ENVIRONMENT = [key for module in _MODULES for key in getattr(module, "FROM_ENVIRONMENT", ())]
LOGINS = {key: text for module in _MODULES for key, text in getattr(module, "LOGINS", {}).items()}
