"""Make an evaluated model a version with its card, and the champion when it was accepted."""

import json
import platform
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Dataset, as_instance
from ..evaluation.evidence import measure_size
from ..evaluation.report import Card, write_card
from ..export.record import Training
from ..model import Model
from .client import ChampionMovedError, Registry, Version
from .promotion import promotion_tags
from .store import FILES_TAG, MODEL_TAG, exported

# The facts of a verdict that become tags of the version, to find it by.
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

    `verdict` is the content of verdict.json, `lock` the SHA-256 of uv.lock. When the champion is no
    longer the one that the model was compared with, the model is rejected. A model whose files the
    champion already has stays that version.
    """
    champion, files = registry.champion(), exported(model_path)
    facts, accepted = verdict["facts"], verdict["accepted"]
    if champion and MODEL_TAG in champion.tags and not files.differs(champion.tags):
        line = f"{registry.name} version {champion.number}, the champion, is this very model"
        return Registered(champion.number, accepted, line)
    lineage = {key: facts[key] for key in LINEAGE if key in facts}
    hashes = {MODEL_TAG: facts[MODEL_TAG], FILES_TAG: files.sha256, "environment.lock": lock}
    version = registry.register(run_id, lineage | hashes | _outcome(verdict))
    paths = Path(model_path), Dataset(test_path)
    _write_card(registry, version, *paths, verdict, lock)
    name = f"{registry.name} version {version.number}"
    if not accepted:
        stays = f"; version {champion.number} stays the champion" if champion else ""
        return Registered(version.number, False, f"{name} is registered, as rejected{stays}")
    compared = verdict["champion"] and registry.version(verdict["champion"]["version"])
    by = f"pipeline run {facts.get('pipeline.run', 'unknown')}"
    tags = promotion_tags(by, "accepted by the gate")
    try:
        registry.promote(version.number, over=compared, tags=tags)
    except ChampionMovedError as error:
        reason = f"the champion changed while this model was evaluated ({error}): run again"
        rejection = {**verdict, "accepted": False, "reason": reason}
        registry.set_tags(version.number, _outcome(rejection))
        _write_card(registry, version, *paths, rejection, lock)
        return Registered(version.number, False, f"{name} is rejected: {reason}")
    return Registered(version.number, True, f"{name} is the champion")


def _outcome(verdict: Mapping[str, Any]) -> dict[str, str]:
    word = "accepted" if verdict["accepted"] else "rejected"
    return {"verdict": word, "verdict.reason": verdict["reason"]}


def _write_card(
    registry: Registry,
    version: Version,
    model_path: Path,
    test: Dataset,
    verdict: Mapping[str, Any],
    lock: str,
) -> None:
    """Add the cards and the SBOM to the files of the version's run, and describe it in short."""
    model = Model(model_path)
    request, answer = _example(model, test)
    with tempfile.TemporaryDirectory() as written:
        registry.files(version.run_id, Path(written), [".html"])  # the report gets its version
        card = Card(
            name=registry.name,
            version=version,
            verdict=verdict,
            signature=model.signature,
            training=Training.read(model_path),
            megabytes=measure_size(model_path),
            request=request,
            answer=answer,
            lock=lock,
        )
        short = write_card(Path(written), card)
        packages = sbom(registry.name, version.number)
        (Path(written) / "sbom.cdx.json").write_text(json.dumps(packages, indent=1) + "\n")
        registry.describe(version, Path(written), short)


def _example(model: Model, test: Dataset) -> tuple[dict[str, Any], list[Any]]:
    """A request with the first row of the test set, and the model's predictions for it."""
    features = test.schema.features
    rows = test.scan().select(*features).head(1).collect()
    instances = [
        as_instance({name: rows[name].to_numpy()[i] for name in features}, features)
        for i in range(len(rows))
    ]
    predictions = model.predict({name: rows[name].to_numpy() for name in features})
    return {"instances": instances}, np.round(predictions.astype(float), 4).tolist()


def sbom(name: str, version: str) -> dict[str, Any]:
    """The packages that are installed here, as CycloneDX 1.5 (https://cyclonedx.org/docs/1.5/json).

    They made the model. `uv export` says the same of a lock, but the pipeline's image has neither
    uv nor uv.lock; `make images` uses it for what is in an image.
    """
    packages = {re.sub(r"[-_.]+", "-", each.name).lower(): each.version for each in distributions()}
    components: list[dict[str, str]] = [
        {"type": "platform", "name": "python", "version": platform.python_version()}
    ]
    for package, release in sorted(packages.items()):
        purl = f"pkg:pypi/{package}@{release}"
        about = {"name": package, "version": release, "bom-ref": purl, "purl": purl}
        components.append({"type": "library", **about})
    model = {"type": "machine-learning-model", "name": name, "version": version}
    header = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1}
    return {**header, "metadata": {"component": model}, "components": components}
