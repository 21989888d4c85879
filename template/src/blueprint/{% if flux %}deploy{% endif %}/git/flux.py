"""What Flux says of the model: which commit it has applied, and why it has not applied another."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ...errors import UserError
from ..connection import Cluster, ConnectionProblem, Object
from .settings import Gitops

KUSTOMIZATIONS = "/apis/kustomize.toolkit.fluxcd.io/v1"
SOURCES = "/apis/source.toolkit.fluxcd.io/v1"
REQUESTED = "reconcile.fluxcd.io/requestedAt"
EVERY = 1.0  # seconds between looks
WAITS = ("Progressing", "ProgressingWithRetry", "DependencyNotReady", "")  # reasons that may pass


@dataclass(frozen=True)
class State:
    """A Kustomization as Flux has it: commits, and what its condition Ready says.

    `applied` is the last commit of which everything is there and healthy, `attempted` the last one
    that was begun; "" for none. `reason` and `message` are those of a Ready that is not True.
    """

    applied: str
    attempted: str
    reason: str = ""
    message: str = ""
    suspended: bool = False

    @property
    def failed(self) -> bool:
        return self.reason not in WAITS

    def settled(self, holds: Callable[[str], bool]) -> bool:
        """Whether a commit for which `holds` is applied, and Flux is at no other: after a failure
        and its revert, the commit that was applied last is an older one that looks the same."""
        return bool(self.applied) and holds(self.applied) and holds(self.attempted)


class Flux:
    """Flux on a cluster, for the model's Kustomization and the repository that it reads."""

    def __init__(self, cluster: Cluster, gitops: Gitops) -> None:
        self.cluster, self.gitops = cluster, gitops
        at = f"namespaces/{gitops.namespace}"
        self.path = f"{KUSTOMIZATIONS}/{at}/kustomizations/{gitops.kustomization}"
        self.source = f"{SOURCES}/{at}/gitrepositories/{gitops.source}"

    def state(self) -> State:
        """What Flux says now. Raises UserError where there is no such Kustomization."""
        live = self.cluster.get(self.path)
        if live is None:
            raise UserError(
                f"the cluster has no Kustomization {self.gitops.kustomization} in namespace "
                f"{self.gitops.namespace} (gitops.kustomization): `flux bootstrap` first, or its "
                "clusters/ is not the folder that Flux follows: docs/gitops.md"
            )
        return read(live)

    def hurry(self) -> None:
        """Ask Flux to look at the repository now; who may not is served at its next interval."""
        now = datetime.now(UTC).isoformat()
        with suppress(ConnectionProblem):
            self.cluster.patch(self.source, {"metadata": {"annotations": {REQUESTED: now}}})

    def fetched(self) -> str:
        """What keeps Flux from the repository, in words; "" for nothing."""
        live = self.cluster.get(self.source)
        if live is None:
            return f"the cluster has no GitRepository {self.gitops.source} (gitops.source)"
        condition = ready(live)
        if condition.get("status") == "False":
            return f"Flux cannot read {live['spec'].get('url')}: {one_line(condition)}"
        return ""

    def wait(
        self,
        holds: Callable[[str], bool],
        say: Callable[[str], None],
        end: float,
        until: Callable[[State], bool],
        asked: Callable[[], bool] = lambda: True,
    ) -> State:
        """Look until `until` holds of a state; `holds(commit)` is whether a commit has the version.

        Raises UserError as soon as Flux has given up on a commit that has it, as soon as it is at
        another and Git does not ask for the version any more (`asked`), and at `end`, a time of
        `time.monotonic`. `say` is given what Flux does, as it changes.
        """
        shown, at, state = "", "", self.state()
        while not until(state):
            mine = bool(state.attempted) and holds(state.attempted)
            if state.attempted != at and not mine and not asked():
                raise UserError(f"Flux is at commit {state.attempted[:12]}, with another version")
            at = state.attempted
            if state.suspended:
                raise UserError(
                    f"{self.gitops.kustomization} is suspended: `flux resume ks "
                    f"{self.gitops.kustomization}`"
                )
            if mine and state.failed:
                raise UserError(f"Flux: {state.reason}: {state.message}")
            text = state.message if mine else self.fetched()
            if text and text != shown:
                shown = text
                say(text)
            if time.monotonic() > end:
                why = text or f"Flux is at commit {state.attempted[:12] or 'none'}"
                seconds = f"gitops.timeout_seconds: {self.gitops.timeout_seconds:g}"
                raise UserError(f"it was not applied in time ({seconds}): {why}")
            time.sleep(EVERY)
            state = self.state()
        return state


def read(live: Object) -> State:
    """A Kustomization's state. While it is not ready, Flux leaves `lastAppliedRevision` as it was:
    so commits are compared, not Ready alone."""
    status, condition = live.get("status", {}), ready(live)
    seen = status.get("observedGeneration") == live["metadata"].get("generation")
    is_ready = condition.get("status") == "True" and seen
    return State(
        applied=commit(status.get("lastAppliedRevision")),
        attempted=commit(status.get("lastAttemptedRevision")),
        reason="" if is_ready or not condition else str(condition.get("reason", "")),
        message="" if is_ready else one_line(condition),
        suspended=bool(live["spec"].get("suspend")),
    )


def ready(live: Object) -> dict[str, Any]:
    """The condition Ready of one of Flux's objects; {} before there is one."""
    conditions = live.get("status", {}).get("conditions", ())
    return next((each for each in conditions if each["type"] == "Ready"), {})


def commit(revision: str | None) -> str:
    """The commit of a revision: "main@sha1:4f2e…" is 4f2e…"""
    return (revision or "").rpartition(":")[2]


def one_line(condition: dict[str, Any]) -> str:
    return " ".join(str(condition.get("message", "")).split())[:500]
