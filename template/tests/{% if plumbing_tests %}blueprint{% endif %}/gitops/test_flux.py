"""What Flux's objects say, as its controllers 1.9.4 write them; waiting compares commits."""

import time
from typing import Any

import pytest

from blueprint.deploy.git.flux import Flux, State, read
from blueprint.deploy.git.settings import Gitops
from blueprint.deploy.git.stack import parts
from blueprint.errors import UserError

OLD, NEW = "1" * 40, "2" * 40
GITOPS = Gitops(provider="git", review=False, repository="https://example.com/a.git")


def kustomization(
    applied: str, attempted: str, status: str = "True", reason: str = "", message: str = ""
) -> dict[str, Any]:
    condition = {"type": "Ready", "status": status, "reason": reason, "message": message}
    return {
        "metadata": {"name": "app", "generation": 2},
        "spec": {},
        "status": {
            "observedGeneration": 2,
            "lastAppliedRevision": f"main@sha1:{applied}",
            "lastAttemptedRevision": f"main@sha1:{attempted}",
            "conditions": [condition],
        },
    }


class Cluster:
    """Answers with one object after the other, the last one for ever."""

    def __init__(self, *states: dict[str, Any], source: dict[str, Any] | None = None) -> None:
        self.states, self.source = list(states), source

    def get(self, path: str) -> dict[str, Any] | None:
        if "gitrepositories" in path:
            return self.source
        return (
            (self.states.pop(0) if len(self.states) > 1 else self.states[0])
            if self.states
            else None
        )


def wait(*states: dict[str, Any], seconds: float = 30, **more: Any) -> tuple[State, list[str]]:
    said: list[str] = []
    flux = Flux(Cluster(*states, **more), GITOPS)  # type: ignore[arg-type]
    end = time.monotonic() + seconds
    state = flux.wait(lambda at: at == NEW, said.append, end, lambda now: now.applied == NEW)
    return state, said


HEALTHY = {"metadata": {}, "spec": {"url": "https://example.com/a.git"}, "status": {}}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blueprint.deploy.git.flux.EVERY", 0.01)


def test_it_waits_for_the_commit_however_ready_the_one_before_is() -> None:
    state, said = wait(
        kustomization(OLD, OLD),
        kustomization(OLD, NEW, "Unknown", "Progressing", "Running health checks"),
        kustomization(NEW, NEW),
        source=HEALTHY,
    )
    assert state.applied == NEW
    assert said == ["Running health checks"]


def test_a_failure_of_another_commit_is_not_this_ones() -> None:
    failed = kustomization(OLD, OLD, "False", "HealthCheckFailed", "the one before")
    assert wait(failed, failed, kustomization(NEW, NEW), source=HEALTHY)[0].applied == NEW


def test_an_older_commit_that_looks_the_same_is_not_the_revert() -> None:
    """While Flux is at the commit that failed, the last one that it applied is from before."""
    same = {OLD, "3" * 40}
    assert not read(kustomization(OLD, NEW, "Unknown", "Progressing")).settled(same.__contains__)
    assert read(kustomization("3" * 40, "3" * 40)).settled(same.__contains__)
    assert not State("", "").settled(lambda _: True)


@pytest.mark.parametrize("reason", ["BuildFailed", "ReconciliationFailed", "HealthCheckFailed"])
def test_what_flux_gives_up_on_is_an_error_in_its_words(reason: str) -> None:
    with pytest.raises(UserError, match=f"Flux: {reason}: why it is"):
        wait(kustomization(OLD, NEW, "False", reason, "why\nit is"), source=HEALTHY)


def test_what_git_does_not_ask_for_any_more_is_not_waited_for() -> None:
    """Somebody else's version, which Flux has gone on to; what only came before is no reason."""
    other = kustomization(OLD, "3" * 40)
    asked = [True, True, False]
    cluster: Any = Cluster(kustomization(OLD, OLD), other, other, kustomization(OLD, "4" * 40))
    with pytest.raises(UserError, match="Flux is at commit 444444444444, with another version"):
        Flux(cluster, GITOPS).wait(
            lambda at: at == NEW,
            print,
            time.monotonic() + 30,
            lambda _: False,
            lambda: asked.pop(0),
        )
    assert not asked


def test_what_it_waits_for_is_named_at_the_end_of_the_time() -> None:
    away = {"status": {"conditions": [{"type": "Ready", "status": "False", "message": "no route"}]}}
    with pytest.raises(UserError, match=r"timeout_seconds: 600\): Flux cannot read \S+: no route"):
        wait(kustomization(OLD, OLD), source=HEALTHY | away, seconds=0)
    with pytest.raises(UserError, match="Flux is at commit 111111111111"):
        wait(kustomization(OLD, OLD), source=HEALTHY, seconds=0)


def test_nobody_waits_for_what_is_not_there_or_suspended() -> None:
    with pytest.raises(UserError, match="no Kustomization app in namespace flux-system"):
        wait()
    suspended = kustomization(OLD, OLD) | {"spec": {"suspend": True}}
    with pytest.raises(UserError, match="app is suspended: `flux resume"):
        wait(suspended, source=HEALTHY)


def test_a_condition_of_an_older_generation_says_nothing_of_this_one() -> None:
    live = kustomization(NEW, NEW)
    live["metadata"]["generation"] = 3
    assert read(live).message == ""
    assert read({"metadata": {"generation": 1}, "spec": {}}) == State("", "")


def test_the_parts_of_the_stack_come_in_their_order_with_why_not() -> None:
    def depends(name: str, *on: str, **more: Any) -> dict[str, Any]:
        made = kustomization(OLD, OLD, **more)
        made["metadata"]["name"] = name
        made["spec"]["dependsOn"] = [{"name": each} for each in on]
        return made

    ordered = parts._in_order([depends("app", "configs"), depends("configs", "b"), depends("b")])
    assert [each["metadata"]["name"] for each in ordered] == ["b", "configs", "app"]
    circle = [depends("a", "b"), depends("b", "a")]
    assert len(parts._in_order(circle)) == 2

    def state(**more: Any) -> tuple[str, str]:
        part = parts.part("folder", depends("a", **more))
        return part.state, part.why

    assert state() == ("ready", "")
    waiting = {"status": "False", "reason": "DependencyNotReady", "message": "on b"}
    assert state(**waiting) == ("waiting", "DependencyNotReady: on b")
    assert state(**waiting | {"reason": "BuildFailed"}) == ("failed", "BuildFailed: on b")
    chart = {"spec": {}, "metadata": {"name": "mlflow"}}
    chart["status"] = {"history": [{"chartVersion": "1.11.5"}]}
    assert parts.part("release", chart).version == "1.11.5"
