"""One check: the version in service, its reference, a window of rows; what is found, and kept."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...model import Model, ModelError
from ...registry import store
from .. import reference_rows
from . import metrics, report, statistics, windows
from .measure import measure
from .result import FOLDER, RESULT, Drift

PAGE, EVIDENTLY = "drift.html", "evidently.html"
KEEP = 20  # checks whose pages stay


@dataclass(frozen=True)
class Checked:
    """What was found, where its files are, and the MLflow run that has them ("" without one)."""

    drift: Drift
    folder: Path
    run_id: str = ""


def check(
    settings: Any,
    version: str | None = None,
    say: Callable[[str], None] = print,
    into: Path = FOLDER,
) -> Checked:
    """Compare, write drift.json and drift.html, and record them in MLflow and for Prometheus.

    `settings` has the sections `drift`, `registry`, `serving` and `data`, and may have
    `prediction_log` and `metrics`. A registry or a Pushgateway that does not answer is said, and
    changes nothing. The files of the newest KEEP checks stay in `into`. Raises `UserError` for what
    cannot be compared at all.
    """
    name = settings.registry.name
    with found(settings, version) as (directory, number):
        try:
            model, before = Model(directory), reference_rows.read(directory)
        except ModelError as error:
            raise UserError(f"version {number} of {name}: {error}") from None
        log, data = (getattr(settings, name, None) for name in ("prediction_log", "data"))
        window = windows.read(settings.drift, model, name, number, log, data)
    now = datetime.now(UTC)
    folder = into / f"{now:%Y-%m-%d-%H-%M-%S-%f}"
    folder.mkdir(parents=True)
    if len(window.frame) >= settings.drift.min_rows:
        say(f"comparing {len(window.frame):,} rows with {len(before):,} of version {number} …")
        statistics.load()
    drift = measure(before, window.frame, settings.drift, folder / EVIDENTLY)
    drift.model, drift.version, drift.window = name, number, window.text
    drift.checked = now.isoformat(timespec="seconds")
    drift.write(folder / RESULT)
    report.write(folder / PAGE, drift, before, window.frame, EVIDENTLY)
    metrics.push(settings, drift, say)
    _prune(into)
    return Checked(drift, folder, _record(settings, drift, folder, say))


@contextmanager
def found(settings: Any, version: str | None) -> Iterator[tuple[Path, str]]:
    """The folder and number of the named version or the one in service, for a `with` block."""
    folder = getattr(getattr(settings, "serving", None), "store", None)
    name = settings.registry.name
    if not version and folder:
        deployed = store.current(folder, name)
        if deployed is None:
            raise UserError(f"no model of {name} is in service: `make run` makes one")
        deployed.verify()
        yield deployed.folder, deployed.version
        return
    from ...registry.client import connect  # it takes a second

    registry = connect(settings.registry)
    named = registry.version(version) if version else registry.champion()
    if named is None:
        raise UserError(f"{name} has no champion: `make run` makes one, VERSION=3 takes another")
    with registry.model(named) as directory:
        yield directory, named.number


def _record(settings: Any, drift: Drift, folder: Path, say: Callable[[str], None]) -> str:
    """Log the check as a run of its own; return its id."""
    from ...registry.client import connect

    numbers = {"drift.detected": float(drift.detected), "drift.rows": float(drift.rows)}
    numbers |= {"drift.share": drift.share} if drift.enough else {}
    for column in drift.columns:
        if column.score is not None:
            numbers[f"drift/{_key(column.name)}"] = column.score
    for each in drift.performance:
        if not each.segment:
            numbers[f"performance/{each.metric}"] = each.value
    tags = {"drift.version": drift.version, "drift.verdict": drift.verdict[:5000]}
    try:
        with tempfile.TemporaryDirectory() as copy:
            shutil.copytree(folder, Path(copy) / "drift")
            return connect(settings.registry).log_run(
                f"drift of version {drift.version}",
                params={},
                metrics=numbers,
                curves={},
                tags=tags,
                artifacts={"": Path(copy) / "drift"},
            )
    except UserError as error:
        say(f"not recorded: {error}")
        return ""


def _key(name: str) -> str:
    """A column's name as MLflow takes it in the name of a metric."""
    return "".join(each if each.isalnum() or each in "_-. /" else "_" for each in name)[:200]


def _prune(into: Path) -> None:
    for old in sorted(into.glob(f"*/{RESULT}"))[:-KEEP]:
        shutil.rmtree(old.parent, ignore_errors=True)
