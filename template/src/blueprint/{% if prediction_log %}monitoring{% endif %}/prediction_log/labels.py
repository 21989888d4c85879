"""`make labels FILE=`: what was true, joined to the logged predictions by request id.

Said twice, it is written once: a label that is there already is left out, a different one replaces
it. Labels that belong to no logged prediction are reported and not kept.
"""

import io
from datetime import UTC, datetime, timedelta

import polars as pl

from ...data.frames import one_line
from ...errors import UserError
from ...text import count, listing, shorten
from .files import LABELS, LogFolder
from .reading import EMPTY, KEY, read_labels, scan
from .settings import PredictionLog

SHOWN, WIDTH = 3, 80  # examples of ids in a line, and its characters
UNKNOWN = "unknown"


def attach(section: PredictionLog, model: str, path: str) -> pl.DataFrame:
    """Keep the labels in a file and print what became of them.

    Returns the lines: what, rows, and examples of request ids. Raises `UserError` when the file
    cannot be read, or no line of it belongs to a logged prediction.
    """
    folder = LogFolder(section.path, model)
    logged = scan(section, model).select(*KEY, "time", "prediction").collect()
    logged = logged.sort("time").unique(KEY, keep="last")  # a client may use an id again
    if logged.is_empty():
        raise UserError(f"no prediction of {model} is logged in {folder.path}")
    given = _read(path, logged.schema["prediction"])
    sizes = logged.group_by("request_id").agg(pl.len().alias("rows"))
    lines, rows = [], given.with_row_index("line").join(sizes, on="request_id", how="left")

    def take(name: str, chosen: pl.Expr) -> None:
        nonlocal rows
        found = rows.filter(chosen.fill_null(False))
        rows = rows.filter(~chosen.fill_null(False))
        lines.append((name, found))

    take("without a label", pl.col("label").is_null())
    take(UNKNOWN, pl.col("rows").is_null())
    take(
        "no row number, and the request has several", pl.col("row").is_null() & (pl.col("rows") > 1)
    )
    rows = rows.with_columns(pl.col("row").fill_null(0))
    rows = rows.join(logged, on=KEY, how="left")
    take("a row that the request has not", pl.col("time").is_null())
    take("in the file twice", pl.col("line") != pl.col("line").last().over(KEY))
    before = read_labels(folder, logged.schema["prediction"]).collect()
    rows = rows.join(before.select(*KEY, pl.col("label").alias("before")), on=KEY, how="left")
    take("there already", pl.col("label") == pl.col("before"))
    changed = rows.filter(pl.col("before").is_not_null())
    late = rows.filter(pl.col("time") < datetime.now(UTC) - timedelta(days=section.late_days))
    lines += [("new", rows.filter(pl.col("before").is_null())), ("corrected", changed)]
    if rows.height:
        now = pl.lit(datetime.now(UTC)).cast(EMPTY["time"])
        content = io.BytesIO()
        rows.select(*KEY, "label", now.alias("time")).write_parquet(content)
        folder.add(LABELS, content.getvalue(), rows.height)
    folder.sweep(section.keep_days, section.max_mb * 2**20)
    report = [
        (name, found) for name, found in [*lines, (f"late: over {section.late_days:g} days", late)]
    ]
    result = pl.DataFrame(
        [
            (name, found.height, listing(found["request_id"].unique(maintain_order=True), SHOWN))
            for name, found in report
            if found.height
        ],
        schema={"labels": pl.String, "rows": pl.Int64, "ids": pl.String},
        orient="row",
    )
    _print(result, path, given.height, rows.height)
    known = given.height - sum(found.height for name, found in lines if name == UNKNOWN)
    if given.height and not known:
        raise UserError(f"{path}: none of its ids is that of a logged prediction of {model}")
    return result


def _read(path: str, dtype: pl.DataType) -> pl.DataFrame:
    """The lines of a file: `request_id`, `row`, which may be null, and `label`."""
    csv = path.lower().endswith((".csv", ".csv.gz"))
    try:
        rows = pl.read_csv(path, infer_schema=False) if csv else pl.read_parquet(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UserError(f"{path}: {one_line(error)}") from None
    for name in ("request_id", "label"):
        if name not in rows.columns:
            there = listing(rows.columns)
            raise UserError(
                f"{path}: no column {name!r}; it needs request_id and label, has {there}"
            )
    row = pl.col("row") if "row" in rows.columns else pl.lit(None)
    label = pl.col("label")
    if dtype == pl.String and rows.schema["label"].is_float():  # 3.0 is the class "3"
        whole = (label % 1 == 0) & label.is_finite()
        label = (
            pl.when(whole)
            .then(label.cast(pl.Int64, strict=False).cast(pl.String))
            .otherwise(label.cast(pl.String))
        )
    try:
        return rows.select(
            pl.col("request_id").cast(pl.String),
            row.cast(pl.Int32).alias("row"),
            label.cast(dtype).alias("label"),
        )
    except pl.exceptions.PolarsError as error:
        kind = "a class" if dtype == pl.String else "a number"
        raise UserError(
            f"{path}: a label must be {kind}, a row a whole number: {one_line(error)}"
        ) from None


def _print(result: pl.DataFrame, path: str, given: int, kept: int) -> None:
    print(f"{path}: {count(given, 'label')}, {kept:,} kept")
    for name, rows, ids in result.iter_rows():
        print(f"{rows:>9,}  {name}")
        print(shorten(f"{'':11}{ids}", WIDTH))
