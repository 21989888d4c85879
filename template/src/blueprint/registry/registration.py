"""Make an evaluated model a version with its card, and the champion when it was accepted."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .. import sbom
from ..data import Dataset, as_instance
from ..evaluation.report import Card, write_card
from ..export.training import Training
from ..model import Model
from .client import ChampionMovedError, Registry, Version
from .store import FILES_TAG, MODEL_TAG, exported

# What of the verdict's facts a version is found by, beside its run.
LINEAGE = ("data.source", "data.train_hash", "data.test_hash", "git.commit", "pipeline.run")


@dataclass(frozen=True)
class Registered:
    """What became of a model: its version, whether that is to be served, and why in words."""

    version: str
    promoted: bool
    line: str


def register(
    model_path: str | Path,
    test_path: str | Path,
    *,
    verdict: Mapping[str, Any],
    run_id: str,
    lock: str,
    registry: Registry,
) -> Registered:
    """Register the model of an MLflow run, and promote it when `verdict` accepted it.

    `verdict` is the content of verdict.json, `lock` the SHA-256 of uv.lock. A champion that is not
    the one it was judged against turns it into a rejection. A model whose file the champion already
    has stays that version.
    """
    champion = registry.champion()
    facts, accepted = verdict["facts"], verdict["accepted"]
    files = exported(model_path)
    if champion and MODEL_TAG in champion.tags and not files.differs(champion.tags):
        line = f"{registry.name} version {champion.number}, the champion, is this very model"
        return Registered(champion.number, accepted, line)
    tags = {key: facts[key] for key in LINEAGE if key in facts} | {
        "environment.lock": lock,
        MODEL_TAG: facts[MODEL_TAG],
        FILES_TAG: files.sha256,
        **_outcome(verdict),
    }
    version = registry.register(run_id, tags)
    record = partial(_write_card, registry, version, Path(model_path), Dataset(test_path))
    record(verdict=verdict, lock=lock)
    name = f"{registry.name} version {version.number}"
    if not accepted:
        stays = f"; version {champion.number} stays the champion" if champion else ""
        return Registered(version.number, False, f"{name} is registered, as rejected{stays}")
    judged = verdict["champion"]["version"] if verdict["champion"] else None
    by = f"pipeline run {facts.get('pipeline.run', 'unknown')}"
    try:
        registry.promote(
            version.number,
            over=registry.version(judged) if judged else None,
            tags=promotion_tags(by, "accepted by the gate"),
        )
    except ChampionMovedError as error:
        reason = f"the champion changed while this model was judged ({error}): run again"
        rejection = {**verdict, "accepted": False, "reason": reason}
        registry.annotate(version.number, _outcome(rejection))
        record(verdict=rejection, lock=lock)
        return Registered(version.number, False, f"{name} is rejected: {reason}")
    return Registered(version.number, True, f"{name} is the champion")


def promotion_tags(by: str, reason: str, *, forced: bool = False) -> dict[str, str]:
    """What a version's tags say of how it became the champion."""
    return {
        "promoted.at": datetime.now(UTC).isoformat(timespec="seconds"),
        "promoted.by": by,
        "promoted.reason": reason,
        "promoted.forced": str(forced).lower(),
    }


def _outcome(verdict: Mapping[str, Any]) -> dict[str, str]:
    return {
        "verdict": "accepted" if verdict["accepted"] else "rejected",
        "verdict.reason": verdict["reason"],
    }


def _write_card(
    registry: Registry,
    version: Version,
    model_path: Path,
    test: Dataset,
    *,
    verdict: Mapping[str, Any],
    lock: str,
) -> None:
    """Add the cards and the SBOM to the files of the version's run, and describe it in short."""
    model = Model(model_path)
    request, answer = _example(model, test)
    size = sum(file.stat().st_size for file in model_path.rglob("*") if file.is_file())
    with tempfile.TemporaryDirectory() as written:
        registry.files(version.run_id, Path(written), [".html"])  # the report gets its version
        card = Card(
            name=registry.name,
            version=version,
            verdict=verdict,
            signature=model.signature,
            training=Training.read(model_path),
            megabytes=size / 1e6,
            request=request,
            answer=answer,
            lock=lock,
        )
        short = write_card(Path(written), card)
        packages = sbom.installed(registry.name, version.number)
        (Path(written) / sbom.FILE).write_text(packages)
        registry.log_files(version.run_id, Path(written))
    registry.annotate(version.number, {}, description=short)


def _example(model: Model, test: Dataset) -> tuple[dict[str, Any], list[Any]]:
    """A request with the first row of the test set, and the model's predictions for it."""
    row = test.scan().head(1).collect()
    inputs = {name: row[name].to_numpy() for name in test.schema.features}
    instances = [
        as_instance({name: values[place] for name, values in inputs.items()}, test.schema.features)
        for place in range(len(row))
    ]
    return {"instances": instances}, np.round(model.predict(inputs).astype(float), 4).tolist()
