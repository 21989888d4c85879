"""`make deploy CANARY=10`: a new version by steps of the traffic split, and one report of them."""

import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from ..errors import UserError
from ..registry.client import connect
from ..settings import Settings
from .canary import GO_ON, STOP, WAIT, Sample, Verdict, evaluate, follows, milliseconds
from .deployment import label, open_endpoint, result, say, take_back
from .endpoint import Endpoint
from .numbers import read
from .versions import Versions, resolve

BEFORE = timedelta(hours=1)  # of the version in service, to compare with
HEAD = " share     got requests   5xx   4xx  p99 (in service)      verdict"


def deploy(settings: Settings, number: str | None, first: int) -> None:
    """Serve a version, by default the champion: `first` percent of the requests go to it, and more
    while the gate allows it. Raises UserError; what served before serves on."""
    start = time.perf_counter()
    endpoint = open_endpoint(settings)
    shares = plan(first, endpoint.deploy.canary.steps)
    endpoint.ensure(say)
    registry = connect(settings.registry)
    pin = resolve(registry, number)
    versions = Versions(endpoint.deploy, endpoint.calls, registry.name)
    name = versions.register(registry, pin, say)
    stable = endpoint.stable()
    if stable is None:
        raise UserError(
            f"endpoint {endpoint.deploy.endpoint} serves nothing yet that a canary could be "
            "compared with: deploy without CANARY first"
        )
    if stable.version == name.rpartition("@")[2]:
        raise UserError(f"{pin} is in service already: a canary of it would show nothing")
    endpoint.keep(stable.id, say)  # a canary that was left here goes first
    new, share = None, 0
    try:
        with _interrupts():
            new = endpoint.add(name, label(registry.name, pin), say)
            say(HEAD)
            reference = _answered(endpoint, stable.id, datetime.now(UTC) - BEFORE)
            for share in shares:
                endpoint.shift({new.id: share, stable.id: 100 - share})
                reference = _step(endpoint, new.id, stable.id, share, reference)
    except (KeyboardInterrupt, UserError) as error:
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        at = f" at {share} % of the requests" if share else ""
        after = take_back(endpoint, stable, new, say)
        raise UserError(f"version {pin.version} was taken back{at}: {why}. {after}") from None
    endpoint.keep(new.id, say)
    champion = registry.champion()
    if champion and champion.number == pin.version:
        versions.mark(name)
    say(result(endpoint, pin, time.perf_counter() - start))


def plan(first: int, steps: Iterable[int]) -> list[int]:
    """The shares to go through, in percent: `first`, the larger ones of the configuration, all."""
    if not 1 <= first <= 100:
        raise UserError(f"CANARY={first}: expected a share of the requests in percent, 1 to 100")
    return sorted({first, 100, *(each for each in steps if each > first)})


def _step(endpoint: Endpoint, new: str, stable: str, share: int, reference: Sample) -> Sample:
    """One share, until the gate has said its word; returns what the next step compares with.

    Raises UserError with the gate's reasons.
    """
    limits, begin = endpoint.deploy.canary, datetime.now(UTC)
    most = max(limits.seconds, endpoint.deploy.timeout_seconds)
    while True:
        time.sleep(endpoint.vertex.poll_seconds)
        spent = (datetime.now(UTC) - begin).total_seconds()
        answered = read(endpoint.calls, str(endpoint.deploy.endpoint), begin, datetime.now(UTC))
        now, beside = answered.get(new, Sample()), answered.get(stable, Sample())
        same_time = beside.requests >= limits.min_requests
        verdict = follows(now, beside, share / 100)
        if verdict.word == GO_ON:
            verdict = evaluate(now, beside if same_time else reference, limits)
        if verdict.word == STOP or spent > most:
            break
        if verdict.word == GO_ON and spent >= limits.seconds:
            break
    if same_time:
        reference = beside
    if verdict.word == WAIT:
        few = f"only {verdict.reasons[0]} came to it in {spent:.0f} s (deploy.canary.min_requests)"
        verdict = Verdict(STOP, (few,))
    say(_row(share, now, beside, reference, verdict))
    if verdict.word == STOP:
        raise UserError("; ".join(verdict.reasons))
    return reference


def _answered(endpoint: Endpoint, id: str, begin: datetime) -> Sample:
    found = read(endpoint.calls, str(endpoint.deploy.endpoint), begin, datetime.now(UTC))
    return found.get(id, Sample())


def _row(share: int, now: Sample, beside: Sample, reference: Sample, verdict: Verdict) -> str:
    """A line of the report; at most 80 columns."""
    total = now.requests + beside.requests
    got = f"{now.requests / total:.1%}" if total else "–"
    times = f"{milliseconds(now.p99())} ({milliseconds(reference.p99())})"
    return (
        f"{share:>4} % {got:>7} {now.requests:>8.0f} {now.errors:>5.0f} {now.rejected:>5.0f}  "
        f"{times:<21} {verdict.word}"
    )


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
