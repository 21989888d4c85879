"""A new version by steps: a share of the requests, the gate's word, a larger share, or none."""

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ..errors import UserError
from ..serving import server
from .canary import GO_ON, STOP, WAIT, Sample, Verdict, evaluate, follows, milliseconds
from .connection import Cluster, Object
from .pin import Pin
from .samples import Read, Window, from_pods, from_prometheus

EVERY, LOOK = 2.0, 0.5  # seconds between readings, and between looks at an object
QUIET_SECONDS = 20  # at most, until a version that has no share gets no request
PAGE = getattr(server, "METRICS", ("/metrics",))[0]
PORT = 8080
HEAD = " share     got requests   5xx   4xx  p99 (in service)      verdict"

Say = Callable[[str], None]


class Canary(Protocol):
    """The second version beside the one in service, as a platform has it."""

    cluster: Cluster

    @property
    def deployments(self) -> tuple[str, str]:
        """The Deployment in service, and the canary's."""
        ...

    def left(self) -> Pin | None:
        """The version of a canary that is there, begun by now or left by an earlier command."""
        ...

    def check(self, objects: list[Object]) -> None:
        """Take the manifests; raise UserError where there can be no canary of them."""
        ...

    def begin(self, pin: Pin, percent: int, model: str, say: Say) -> None:
        """Start as many pods as that share needs, without any share yet; return when they answer
        for that model."""
        ...

    def shift(self, percent: int) -> None:
        """Give the canary that share of the requests; the gateway knows when it returns."""
        ...

    def promotion(self, objects: list[Object]) -> list[Object]:
        """Those manifests that bring the version in service there and leave the shares alone."""
        ...

    def end(self) -> None:
        """Delete what is the canary's own. It has no share any more."""
        ...


def plan(first: int, steps: Iterable[int]) -> list[int]:
    """The shares to go through, in percent: `first`, the larger ones of the configuration, all."""
    if not 1 <= first <= 100:
        raise UserError(f"CANARY={first}: expected a share of the requests in percent, 1 to 100")
    return sorted({first, 100, *(each for each in steps if each > first)})


def reader(cluster: Cluster) -> Read:
    """Where the numbers come from: Prometheus, if the configuration names it, or each server."""
    if cluster.deploy.prometheus:
        return from_prometheus(cluster.deploy.prometheus, cluster.namespace)
    return from_pods(cluster.read, cluster.namespace, PORT, PAGE)


def release(
    canary: Canary,
    pin: Pin,
    model: str,
    objects: list[Object],
    shares: list[int],
    promote: Callable[[list[Object]], None],
    say: Say,
) -> None:
    """Bring a version into service by `shares` of the requests, in percent.

    `promote` applies manifests and returns when the version in service is the new one, or raises
    and has restored it. Whatever goes wrong, the version in service has all requests again and the
    canary is gone; then this raises UserError, or KeyboardInterrupt as it came.
    """
    canary.check(objects)
    read = reader(canary.cluster)
    share = 0
    with _interrupts():
        try:
            canary.begin(pin, shares[0], model, say)
            say(HEAD)
            reference = Sample()
            for share in shares:
                canary.shift(share)
                reference = _step(canary, read, share, reference, say)
            say(f"version {pin.version} goes into service")
            promote(canary.promotion(objects))
        except BaseException as error:
            _take_back(canary, read, say, error)
            if isinstance(error, UserError):
                at = f" at {share} % of the requests" if share else ""
                text = f"version {pin.version} was taken back{at}: {error}"
                raise UserError(text) from error
            raise
        clear(canary, say, read)


def clear(canary: Canary, say: Say, read: Read | None = None) -> None:
    """Take a canary away without losing a request: its share first. None there is fine."""
    left = canary.left()
    if left is None:
        return
    canary.shift(0)
    _wait_until_quiet(canary, read or reader(canary.cluster))
    canary.end()
    say("the canary's pods are gone, all requests go to the version in service")


def _step(canary: Canary, read: Read, share: int, reference: Sample, say: Say) -> Sample:
    """One share, until the gate has said its word; returns what the next step compares with.

    Raises UserError with the gate's reasons.
    """
    limits, deploy = canary.cluster.deploy.canary, canary.cluster.deploy
    stable, beside = canary.deployments
    before, now = (Window(read, ready(canary.cluster, each)) for each in (stable, beside))
    if not reference.requests:
        reference = before.since_start
    restarts = _restarts(canary.cluster, beside)
    begin = time.monotonic()
    while True:
        time.sleep(EVERY)
        spent = time.monotonic() - begin
        pods = ready(canary.cluster, beside)
        for window, names in ((before, ready(canary.cluster, stable)), (now, pods)):
            window.update(names)
        same_time = before.total.requests >= limits.min_requests
        verdict = _trouble(canary.cluster, beside, pods, restarts)
        if verdict.word == GO_ON:
            verdict = follows(now.total, before.total, share / 100)
        if verdict.word == GO_ON:
            verdict = evaluate(now.total, before.total if same_time else reference, limits)
        last = spent > max(limits.seconds, deploy.timeout_seconds)
        if verdict.word == STOP or last or (verdict.word == GO_ON and spent >= limits.seconds):
            break
    if same_time:
        reference = before.total
    if verdict.word == WAIT:
        few = f"only {verdict.reasons[0]} came to it in {spent:.0f} s (deploy.canary.min_requests)"
        verdict = Verdict(STOP, (few,))
    say(_row(share, now.total, before.total, reference, verdict))
    if verdict.word == STOP:
        raise UserError("; ".join(verdict.reasons))
    return reference


def _trouble(cluster: Cluster, deployment: str, pods: list[str], restarts: int) -> Verdict:
    """A canary whose pods are not fit to answer: the gateway, not they, fails requests then."""
    if not pods:
        return Verdict(STOP, ("none of its pods is ready",))
    if _restarts(cluster, deployment) > restarts:
        return Verdict(STOP, ("one of its servers ended and was started again",))
    return Verdict(GO_ON)


def _row(share: int, now: Sample, beside: Sample, reference: Sample, verdict: Verdict) -> str:
    """A line of the report; at most 80 columns."""
    total = now.requests + beside.requests
    got = f"{now.requests / total:.1%}" if total else "–"
    times = f"{milliseconds(now.p99())} ({milliseconds(reference.p99())})"
    return (
        f"{share:>4} % {got:>7} {now.requests:>8.0f} {now.errors:>5.0f} {now.rejected:>5.0f}  "
        f"{times:<21} {verdict.word}"
    )


def _take_back(canary: Canary, read: Read, say: Say, error: BaseException) -> None:
    """All requests to the version in service, the canary away; a second Ctrl-C ends that too."""
    why = "interrupted" if isinstance(error, KeyboardInterrupt) else "taken back"
    say(f"{why}: the version in service gets all requests again")
    try:
        clear(canary, say, read)
    except UserError as problem:
        text = f"{error}; and the canary could not be taken away: {problem}: `make rollback`"
        raise UserError(text) from error


def _wait_until_quiet(canary: Canary, read: Read) -> None:
    """Wait until no request comes to the canary any more, where that can be seen."""
    beside = canary.deployments[1]
    window = Window(read, ready(canary.cluster, beside))
    end, last = time.monotonic() + QUIET_SECONDS, -1.0
    while time.monotonic() < end and last != window.total.requests:
        last = window.total.requests
        time.sleep(EVERY)
        window.update(ready(canary.cluster, beside))


def wait_until(seconds: float, problem: str, done: Callable[[], bool]) -> None:
    """Look until it is done; a UserError of the problem after so many seconds."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise UserError(f"{problem} (after {seconds:g} s)")
        time.sleep(LOOK)


def pods_of(cluster: Cluster, deployment: str) -> list[Object]:
    """The pods of a Deployment that are not about to end."""
    live = cluster.get(cluster.path("apps/v1", "deployments", deployment))
    if live is None:
        return []
    labels = live["spec"]["selector"]["matchLabels"]
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    pods = cluster.items(cluster.path("v1", "pods"), labelSelector=selector)
    return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]


def ready(cluster: Cluster, deployment: str) -> list[str]:
    """The names of a Deployment's pods that get requests."""
    return [
        pod["metadata"]["name"]
        for pod in pods_of(cluster, deployment)
        for condition in pod.get("status", {}).get("conditions", ())
        if condition["type"] == "Ready" and condition["status"] == "True"
    ]


def _restarts(cluster: Cluster, deployment: str) -> int:
    states: list[Any] = [
        each
        for pod in pods_of(cluster, deployment)
        for each in pod.get("status", {}).get("containerStatuses", ())
    ]
    return sum(each.get("restartCount", 0) for each in states)


@contextmanager
def _interrupts() -> Iterator[None]:
    """Inside, being ended (SIGTERM) is what Ctrl-C is."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
