"""Scoring: parts of the input are read, checked, predicted and written, one after another.

`_scoring.json` beside the parts says what is being scored with what, and how many parts are done.
A part is written before it is counted, so that a killed run goes on with the first that is not
counted: no row is lost, none is there twice. Parts hold the same rows in every run.
"""

import io
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..data.storage import Folder, errors, fingerprint, overlap, split
from ..data.streams import stream
from ..errors import UserError
from ..logins import without_login
from ..model import Model, ModelError
from ..settings import OTHER_LOGINS
from .rows import Rows, predictions
from .settings import Batch

STATE = "_scoring.json"
BATCH_ROWS = 8_192  # that the model sees at once
PART_BYTES = 64_000_000  # of pictures in a part, at most
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Summary:
    """What a run of `score` did: `scored` of the `rows` in this run, in `seconds`."""

    output: str
    version: str
    rows: int
    scored: int
    seconds: float
    unscored: Mapping[str, int]

    def lines(self) -> list[str]:
        if not self.seconds:
            text = f"{self.output} holds these {self.rows:,} rows already, scored with version"
            return [f"{text} {self.version}: nothing to do (FORCE=1 scores them again)"]
        speed = f", {self.scored / self.seconds:,.0f} rows/s" if self.scored else ""
        text = f"{self.rows:,} rows scored with version {self.version} in {self.seconds:.1f} s"
        lines = [f"{text}{speed}: {self.output}"]
        if self.unscored:
            reasons = ", ".join(f"{reason} ({n:,})" for reason, n in self.unscored.items())
            lines.append(f"without a prediction: {reasons}")
        return lines


class Output:
    """What OUTPUT means: one file, or a folder of part files; and where its parts and record lie.

    The parts of a single file are kept in a folder beside it until the last one is there.
    """

    def __init__(self, path: str) -> None:
        suffix = Path(path).suffix
        self.single = suffix in (".csv", ".parquet") and not path.endswith("/")
        if suffix and not (self.single or path.endswith("/") or Path(path).is_dir()):
            raise UserError(f"OUTPUT={path}: expected a .parquet or .csv file, or a folder/")
        if self.single and Path(path).is_dir():
            raise UserError(f"OUTPUT={path} is a folder: `{path}/` writes parts into it")
        self.path = path
        self.suffix = suffix if self.single else ".parquet"
        self.parts = Folder(f"{path}.parts" if self.single else path)
        self.home, self.name = split(path) if self.single else (self.parts, "")
        self.record = f"{self.name}.json" if self.single else STATE

    def part(self, number: int) -> str:
        return f"part-{number:06}{self.suffix}"

    def exists(self) -> bool:
        if self.single:
            return self.home.head(self.name) is not None
        return bool(self.parts.names())

    def state(self) -> dict[str, Any] | None:
        """How far the parts are, or None where there are none."""
        return _parse(self.parts, STATE)

    def finished(self) -> dict[str, Any] | None:
        """The record of the scores that are there."""
        return _parse(self.home, self.record)

    def count_parts(self) -> int:
        return sum(name.startswith("part-") for name in self.parts.names())

    def drop_parts(self, since: int) -> None:
        """Delete parts from that number on, which no state counts."""
        found = (name for name in self.parts.names() if name.startswith("part-"))
        self.parts.delete(name for name in found if name >= self.part(since))

    def write_part(self, number: int, frame: pl.DataFrame) -> None:
        content = io.BytesIO()
        if self.suffix == ".csv":  # parts of a single file follow each other in it
            frame.write_csv(content, include_header=number == 0)
        else:
            frame.write_parquet(content, compression="lz4" if self.single else "zstd")
        self.parts.write(self.part(number), content.getvalue())

    def join(self, parts: int) -> None:
        """Make the single file of its parts; it appears when it is whole."""
        names = [self.part(number) for number in range(parts)]
        if self.suffix == ".csv":
            chunks = (chunk for name in names for chunk in self.parts.stream(name))
            self.home.write_stream(self.name, chunks)
            return
        rows = pl.scan_parquet([self.parts.uri(name) for name in names], glob=False)
        if not self.home.local:
            rows.sink_parquet(self.path, maintain_order=True)
            return
        whole = Path(self.parts.uri("whole#0"))
        rows.sink_parquet(whole, maintain_order=True)
        whole.replace(self.path)


@dataclass
class Scorer:
    """Rows and the model for them. `unscored` counts rows in quarantine by reason."""

    rows: Rows
    model: Model
    quarantine: bool
    typed: bool
    unscored: Counter[str] = field(default_factory=Counter)

    def score(self, part: pl.DataFrame, before: int, done: Callable[[int], None]) -> pl.DataFrame:
        """The part with its predictions, null where a row is in quarantine."""
        columns = []
        for start in range(0, max(1, len(part)), BATCH_ROWS):
            batch = part.slice(start, BATCH_ROWS)
            columns.append(self._predict(batch, before + start))
            done(before + start + len(batch))
        return part.with_columns(self.rows.kept(typed=self.typed)).hstack(pl.concat(columns))

    def _predict(self, batch: pl.DataFrame, before: int) -> pl.DataFrame:
        good, reasons = self.rows.check(batch, before, quarantine=self.quarantine)
        self.unscored.update(reasons)
        try:
            outputs = self.model.predict(self.rows.arrays(batch.filter(good)))
        except ModelError as error:
            place = f"rows {before + 1:,} to {before + len(batch):,}"
            raise UserError(f"files {self.rows.path}: {place}: {error}") from None
        if len(wrong := np.argwhere(~np.isfinite(outputs))):
            row = before + int(good.arg_true()[int(wrong[0][0])]) + 1
            raise UserError(f"files {self.rows.path}: row {row:,}: the model predicts no number")
        scored = pl.DataFrame(predictions(self.rows.signature, outputs))
        if good.all():
            return scored
        place_of = good.cum_sum().cast(pl.UInt32) - 1  # a null index gives a null row
        return scored.select(pl.all().gather(pl.select(pl.when(good).then(place_of)).to_series()))


def score(
    source: str,
    output: str,
    model: Model,
    version: str,
    settings: Batch,
    *,
    force: bool = False,
    report: Report = lambda done, total: None,
    say: Callable[[str], None] = print,
) -> Summary:
    """Write every row of `source` to `output`, in order, with the predictions of `model`.

    Both are paths or URLs. A run that was killed goes on where it was; what another run has left is
    replaced only with `force`. `report` is told the rows done and all rows. Raises `UserError`.
    """
    for name, url in (("INPUT", source), ("OUTPUT", output)):
        if without_login(url) != url:
            raise UserError(f"{name}: a login is in it; leave it out: {OTHER_LOGINS}")
    if overlap(source, output):
        raise UserError(f"OUTPUT={output} lies in INPUT={source}: scores would become rows")
    rows = Rows.open(
        source,
        model.signature,
        separator=settings.separator or ",",
        null_values=settings.null_values or [],
    )
    target, plan = Output(output), _plan(source, rows, version, settings)
    if target.suffix == ".csv" and (nested := [n for n, k in rows.schema.items() if k.is_nested()]):
        raise UserError(f"column {nested[0]!r} is an array, which CSV cannot hold: write .parquet")
    with target.parts.alone():
        return _run(target, plan, rows, model, settings, force=force, report=report, say=say)


def _run(
    target: Output,
    plan: dict[str, Any],
    rows: Rows,
    model: Model,
    settings: Batch,
    *,
    force: bool,
    report: Report,
    say: Callable[[str], None],
) -> Summary:
    """What `score` does once nobody else writes there."""
    begin, source, version = time.perf_counter(), plan["input"], plan["version"]
    state = _begin(target, plan, force=force)
    if state.get("complete"):
        return Summary(target.path, version, state["rows"], 0, 0, state["unscored"])
    total = _count(rows)
    first = min(state["parts"] * plan["part_rows"], total)
    if first:
        say(f"going on after {first:,} of {total:,} rows")
    report(first, total)
    scorer = Scorer(rows, model, settings.quarantine, typed=target.suffix == ".parquet")
    for number, part in _parts(rows, plan["part_rows"], state["parts"]):
        scorer.unscored.clear()
        begun = number * plan["part_rows"]
        frame = scorer.score(part, begun, lambda done: report(done, total))
        target.write_part(number, frame)
        counted = Counter(state["unscored"]) + scorer.unscored
        state |= {"parts": number + 1, "rows": begun + len(part), "unscored": dict(counted)}
        _write(target.parts, STATE, state)
    if state["rows"] != total or fingerprint(source) != plan["files"]:
        raise UserError(f"INPUT={source} changed while it was read: FORCE=1 scores it anew")
    if target.count_parts() != state["parts"]:
        raise UserError(
            f"{target.path}: parts are gone, or others write there: FORCE=1 starts anew"
        )
    if target.single:
        if state["parts"] > 1:
            say(f"putting {state['parts']:,} parts together")
        with errors(target.path):
            target.join(state["parts"])
    seconds = time.perf_counter() - begin
    state |= {"complete": True, "seconds": round(seconds, 3), "finished": _now()}
    _write(target.home, target.record, state)
    if target.single:
        _write(target.parts, STATE, state)  # what is left of the parts counts no more
        target.drop_parts(0)
        target.parts.delete([STATE])
    return Summary(target.path, version, total, total - first, seconds, state["unscored"])


def _plan(source: str, rows: Rows, version: str, settings: Batch) -> dict[str, Any]:
    """All that decides on what a part holds: the same plan makes the same parts."""
    arrays = [tensor for tensor in rows.signature.inputs if tensor.shape]
    size = sum(int(np.prod(t.shape)) * t.numpy_dtype.itemsize for t in arrays)
    part_rows = min(settings.part_rows, max(1, PART_BYTES // size)) if size else settings.part_rows
    return {
        "input": source,
        "files": fingerprint(source),
        "version": version,
        "sha256": rows.signature.sha256,
        "part_rows": part_rows,
        "separator": settings.separator or ",",
        "null_values": settings.null_values or [],
        "quarantine": settings.quarantine,
    }


def _begin(target: Output, plan: dict[str, Any], *, force: bool) -> dict[str, Any]:
    """The state to go on from: of a killed run with the same plan, or of none."""
    state, record = target.state(), target.finished()
    begun = state if state and not state.get("complete") else None
    if begun and begun["plan"] == plan:
        target.drop_parts(begun["parts"])
        return begun
    if begun and begun["parts"] and not force:
        raise UserError(
            f"{target.path} is half done, {_difference(begun['plan'], plan)}: finish that, or "
            "FORCE=1 starts anew"
        )
    if target.exists() and (target.single or not begun):
        complete = record is not None and record.get("complete")
        if complete and record and record["plan"] == plan and not force:
            if target.single:
                target.drop_parts(0)
                target.parts.delete([STATE] if state else [])
            return record
        if not target.single and not complete:
            raise UserError(f"OUTPUT={target.path} holds other files: choose an empty folder")
        if not force:
            other = _difference(record["plan"], plan) if record else "and no record says of what"
            raise UserError(f"{target.path} is there already, {other}: FORCE=1 replaces it")
    fresh = {"plan": plan, "parts": 0, "rows": 0, "unscored": {}, "started": _now()}
    _write(target.parts, STATE, fresh)
    target.drop_parts(0)
    return fresh


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """In what a run differs from another, in words."""
    if old["input"] != new["input"]:
        return f"of INPUT={old['input']}"
    if old["files"] != new["files"]:
        return "of files that have changed since"
    if old["sha256"] != new["sha256"] or old["version"] != new["version"]:
        return f"with version {old['version']} of the model, not {new['version']}"
    changed = [key for key in new if old.get(key) != new[key]]
    values = ", ".join(f"{key} {old.get(key)!r}, not {new[key]!r}" for key in changed)
    return f"with {values}"


def _count(rows: Rows) -> int:
    number = pl.len()
    if all(kind == pl.String for kind in rows.schema.values()):  # to count CSV, Polars maps it all
        number = pl.first().count() + pl.first().null_count()
    try:
        return int(rows.frame.select(number).collect(engine="streaming").item())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UserError(rows.explain(error)) from None


def _parts(rows: Rows, size: int, first: int) -> Iterator[tuple[int, pl.DataFrame]]:
    """The rows of each part from number `first` on; an empty input has one part without rows."""
    number, waiting = first, pl.DataFrame(schema=rows.schema)
    frame = rows.frame.slice(first * size) if first else rows.frame
    try:
        for batch in stream(frame, min(size, 2 * BATCH_ROWS)):
            waiting = waiting.vstack(batch)
            while len(waiting) >= size:
                yield number, waiting.head(size)
                number, waiting = number + 1, waiting.slice(size)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UserError(rows.explain(error)) from None
    if len(waiting) or number == 0:
        yield number, waiting


def _parse(folder: Folder, name: str) -> dict[str, Any] | None:
    content = folder.read(name)
    try:
        found = json.loads(content) if content is not None else None
        return found if found is None or "plan" in found else None
    except ValueError:
        return None


def _write(folder: Folder, name: str, content: Mapping[str, Any]) -> None:
    folder.write(name, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
