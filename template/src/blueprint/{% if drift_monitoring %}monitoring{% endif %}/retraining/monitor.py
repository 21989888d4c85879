"""The step `monitor_model`: drift, and the decision about it, with a record of both; and the step
`record_retraining`, which says what became of a training.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from ... import settings
from ...errors import UserError
from ...registry.client import Registry
from ..drift.check import Checked, check
from ..drift.result import FOLDER
from . import history
from .decision import WORDS, Attempt, Drift, decide, rejections
from .settings import Retraining


class Monitored(NamedTuple):
    """Whether this run is to train, what a person wants to know, and numbers for its page."""

    train: bool
    lines: list[str]
    numbers: dict[str, float]


def monitor(
    sections: Mapping[str, Any],
    *,
    rules: Retraining,
    registry: Registry,
    run: str,
    found_path: str | Path,
    report_path: str | Path,
    say: Callable[[str], None] = print,
) -> Monitored:
    """Measure the drift of the champion's newest rows, write it as JSON and as a page, and decide.

    `sections` of the configuration are those that a check reads. A training that is to begin is
    claimed in the registry for `run`. What was found and decided become tags of the champion.
    """
    champion = registry.champion()
    if champion is None:
        raise UserError(f"{registry.name} has no champion to monitor: `make run` trains one")
    found = _check(sections, champion.number, found_path, report_path, say).drift
    now, share = datetime.now(UTC), found.share if found.enough else 0.0
    facts = Drift(found.detected if found.enough else None, share, found.rows)
    attempt = Attempt(run=run, started=now, version=champion.number, share=share, rows=found.rows)
    decision = history.begin(
        registry, attempt, lambda others: decide(facts, others, rules, datetime.now(UTC))
    )
    tags = {
        "monitored.at": now.isoformat(timespec="seconds"),
        "monitored.drift": WORDS[facts.detected],
        "monitored.share": f"{share:.2f}",
        "monitored.rows": str(found.rows),
        "monitored.decision": decision.reason,
    }
    registry.set_tags(champion.number, tags)
    lines = [f"version {champion.number}, {found.rows:,} rows: {found.verdict}"]
    lines += [decision.reason] if facts.detected else []
    numbers = {"drift_share": share, "drift_rows": float(found.rows)}
    return Monitored(decision.train, lines, numbers)


def record(registry: Registry, run: str) -> Iterator[str]:
    """Write down what became of the training of `run`, and say it, a line at a time."""
    attempt = history.end(registry, run)
    if attempt is None:
        yield "drift has not started this training: nothing to record"
    elif attempt.outcome == "accepted":
        yield f"version {attempt.made} takes the place of version {attempt.version}"
    elif attempt.outcome == "rejected":
        row = rejections(history.read(registry))
        yield f"version {attempt.made} is rejected, version {attempt.version} stays"
        yield f"{row} in a row: `make report` says why" if row > 1 else "`make report` says why"
    else:
        yield "the training has made the very same model: is its data new?"


def _check(
    sections: Mapping[str, Any],
    version: str,
    found_path: str | Path,
    report_path: str | Path,
    say: Callable[[str], None],
) -> Checked:
    """Check the version, and copy what the check has left to where the step's files go."""
    types = settings.sections()
    loaded = {
        name: TypeAdapter(types[name][0]).validate_python(value)
        for name, value in sections.items()
        if name in types
    }
    with ExitStack() as stack:
        into = FOLDER
        if not os.access(".", os.W_OK):  # as in a pod
            log = loaded.get("prediction_log")
            if log and log.in_project and loaded["drift"].source == "log":
                raise UserError(f"name a bucket as prediction_log.path: pods have no {log.path}")
            into = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        checked = check(SimpleNamespace(**loaded), version, say, into)
        shutil.copyfile(checked.folder / "drift.json", found_path)
        shutil.copyfile(checked.folder / "drift.html", report_path)
    return checked
