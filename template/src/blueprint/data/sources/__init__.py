"""Where rows come from: a source is a module here, and called as the module is.

Each has `scan(**options)`, which returns rows as a lazy Polars frame with a column for the label.
What a run must know of a source without reading it is in the functions that `Data` calls.
"""

from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from ..settings import Data
    from ..validation import Report


def names() -> list[str]:
    """The sources that this project has."""
    return [module.name.replace("_", "-") for module in iter_modules(__path__)]


def module(source: str) -> Any:
    return import_module(f"{__name__}.{source.replace('-', '_')}")


def scan(source: str, **options: Any) -> "pl.LazyFrame":
    """Return the rows of `source`, one of `names`."""
    rows: pl.LazyFrame = module(source).scan(**options)
    return rows


def read(data: "Data") -> tuple["pl.LazyFrame", "Report"]:
    """Return the rows of the configured source in the declared types, and a report on them.

    Raises `DataError` for what `data.columns` does not allow.
    """
    from ..validation import validate

    return validate(
        scan(data.source, **data.options()),
        data.columns,
        label=data.label,
        source=data.origin(),
        extra=data.extra_columns,
        quarantine=data.quarantine,
        unlabelled=data.unlabelled,
        explain=partial(explain, data),
        locate=partial(locate, data),
    )


def explain(data: "Data", error: BaseException) -> str:
    """What of the source could not be read, in one line."""
    from ..frames import one_line

    own = getattr(module(data.source), "explain", None)
    return str(own(error, **data.options())) if own else one_line(error)


def locate(data: "Data", row: int) -> str:
    """Where a row, counted from 1, of a source of several files is; "" elsewhere."""
    own = getattr(module(data.source), "locate", None)
    return str(own(row, **data.options())) if own else ""
