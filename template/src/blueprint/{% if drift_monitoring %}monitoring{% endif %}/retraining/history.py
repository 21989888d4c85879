"""The trainings that drift has started, as tags in the registry: one tag of the model a training.

Every machine and pod sees the same, and a training that was killed leaves what it began with.
"""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from mlflow.exceptions import MlflowException

from ...registry.client import Registry, Version, existing
from .decision import AT_WORK, LOST, Attempt, Decision

TAG = "retraining."  # and the name of the pipeline run
KEPT = timedelta(days=28)
TRIES = 5  # of two that begin at the same time


def read(registry: Registry, versions: list[Version] | None = None) -> list[Attempt]:
    """The trainings of the last four weeks, the oldest first, with what became of them.

    A training without an outcome of its own has that of the version which its run registered.
    """
    with registry.errors("read"):
        model = existing(registry.client.get_registered_model, registry.name)
    found = [
        Attempt.model_validate_json(value)
        for key, value in (model.tags if model else {}).items()
        if key.startswith(TAG)
    ]
    if any(each.outcome == AT_WORK for each in found):
        listed = registry.versions() if versions is None else versions
        found = [_ended(each, listed) for each in found]
    return sorted(found, key=lambda each: each.started)


def begin(
    registry: Registry, attempt: Attempt, decide: Callable[[list[Attempt]], Decision]
) -> Decision:
    """Ask `decide` about the other trainings, and claim this one where it says so.

    MLflow locks nothing. So the claim is written first, and withdrawn when another's is seen: of
    two at once, at most one goes on. The claim of a killed process holds others off for a day.
    """
    for last in reversed(range(TRIES)):
        decision = decide(_others(registry, attempt))
        if not decision.train:
            return decision
        _write(registry, attempt)
        decision = decide(_others(registry, attempt))
        if decision.train:
            return decision
        _delete(registry, attempt)
        if last:
            time.sleep(random.uniform(0.1, 1))  # two that take turns must not keep step
    return decision


def end(registry: Registry, run: str) -> Attempt | None:
    """Write down what became of a run's training, and tag its version; None where it was not
    started by drift.

    A run that registered nothing has trained the very model that is the champion.
    """
    versions = registry.versions()
    attempt = next((each for each in read(registry, versions) if each.run == run), None)
    if attempt is None:
        return None
    if attempt.outcome in (AT_WORK, "failed"):
        attempt = attempt.model_copy(update={"outcome": "unchanged"})
    _write(registry, attempt)
    for version in versions:
        if version.number == attempt.made:
            tags = {
                "trigger": "drift",
                "trigger.share": f"{attempt.share:.2f}",
                "trigger.rows": str(attempt.rows),
                "trigger.version": attempt.version,
            }
            registry.set_tags(version.number, tags)
            with registry.errors("write to"):
                for key, value in tags.items():  # its run's page shows them, too
                    registry.client.set_tag(version.run_id, key, value)
    return attempt


def _ended(attempt: Attempt, versions: list[Version]) -> Attempt:
    if attempt.outcome != AT_WORK:
        return attempt
    for version in versions:
        if version.tags.get("pipeline.run") == attempt.run:
            outcome = "accepted" if version.accepted else "rejected"
            return attempt.model_copy(update={"outcome": outcome, "made": version.number})
    lost = datetime.now(UTC) - attempt.started >= LOST
    return attempt.model_copy(update={"outcome": "failed"}) if lost else attempt


def _others(registry: Registry, attempt: Attempt) -> list[Attempt]:
    return [each for each in read(registry) if each.run != attempt.run]


def _write(registry: Registry, attempt: Attempt) -> None:
    """Write a training's tag, and forget those of more than four weeks ago."""
    with registry.errors("write to"):
        client, name = registry.client, registry.name
        client.set_registered_model_tag(name, TAG + attempt.run, attempt.model_dump_json())
    for each in read(registry, []):
        if attempt.started - each.started > KEPT:
            _delete(registry, each)


def _delete(registry: Registry, attempt: Attempt) -> None:
    with registry.errors("write to"):
        try:
            registry.client.delete_registered_model_tag(registry.name, TAG + attempt.run)
        except MlflowException as error:  # another one was faster
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
