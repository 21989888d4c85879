"""A version into Git, and from there to the cluster: asked for, followed, taken back.

A person's command does this, and a pod, which has nothing to print tables with.
"""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ...errors import UserError
from ..connection import Cluster
from ..pin import Pin
from ..platform import Platform
from ..rollout import Ask, Say, follow, result
from .evidence import evidence
from .flux import Flux, State
from .release import FILE, pinned
from .repository import Repository


def ask(
    repository: Repository,
    registry: Any,
    pin: Pin,
    before: Pin | None,
    wanted: Callable[[str | None], dict[str, str]],
    say: Say,
    run: str = "",
) -> bool:
    """Bring what `wanted` gives into the repository, and say how; whether Flux brings it now."""
    environment, gitops = repository.environment, repository.gitops
    changed = repository.change(
        wanted,
        f"Serve version {pin.version} of {registry.name} in {environment}",
        evidence(registry, pin, before, run),
        f"promote/{environment}" if gitops.review else None,
    )
    if changed.review:
        say(f"{pin} is proposed for {environment}: {changed.review.url}")
        return False
    if changed.commit is None:
        say(f"{gitops.branch} asks for {pin} already")
    else:
        say(f"{pin} is in {gitops.branch}: commit {changed.commit[:12]}")
    return True


def bring(
    repository: Repository,
    served: Platform,
    pin: Pin,
    model: str,
    say: Say,
    ask: Ask = Cluster.ask,
) -> str:
    """Wait until Flux has applied a commit with the version and it answers; say so, and on the
    request that brought it. Raises UserError when it was taken back."""
    start, flux = time.monotonic(), Flux(served.cluster, repository.gitops)
    end = start + repository.gitops.timeout_seconds
    new = served.pin(served.cluster.get(served.path)) != pin

    def holds(commit: str) -> bool:
        return repository.pin(commit) == pin

    def begun(_: State) -> bool:
        return served.pin(served.cluster.get(served.path)) == pin

    def asked() -> bool:
        return repository.pin(repository.head()) == pin

    flux.hurry()
    try:
        flux.wait(holds, say, end, begun, asked)
        live = follow(served, pin, model, say, ask)
        flux.wait(holds, say, end, lambda state: state.settled(holds), asked)
    except UserError as error:
        text = f"{pin} is not served: {error}. {take_back(repository, flux, pin)}"
        _comment(repository, pin, text)
        raise UserError(text) from None
    text = result(served, live, pin, time.monotonic() - start)
    say(text)
    if new:
        _comment(repository, pin, text)
    return text


def take_back(repository: Repository, flux: Flux, pin: Pin) -> str:
    """Have Git ask for what Flux had applied before; say so."""
    try:
        good = flux.state().applied
        text = repository.text(good) if good else None
        if repository.pin(repository.head()) != pin:
            return "Git asks for another by now"
        if text is None or pinned(text) == pin:
            return "Nothing was applied before it: `make promote` asks for another"
        title = f"Take version {pin.version} back in {repository.environment}"
        what = pinned(text) or "no version"

        def before(now: str | None) -> dict[str, str]:
            return {FILE: text} if pinned(now) == pin else {}

        with suppress(UserError):  # a protected branch takes it by a request alone
            changed = repository.change(before, title, "")
            flux.hurry()
            return f"Taken back: commit {str(changed.commit)[:12]} asks for {what}"
        changed = repository.change(before, title, "", f"revert/{repository.environment}")
        url = changed.review.url if changed.review else repository.gitops.repository
        return f"To take it back, approve {url}, which asks for {what}"
    except UserError as error:
        return f"It could not be taken back: {error}"


def _comment(repository: Repository, pin: Pin, text: str) -> None:
    """Tell the request that brought the version; one that cannot be told changes nothing."""
    if not repository.gitops.review:
        return
    try:
        commit = repository.brought(pin)
        review = repository.git.of_commit(commit) if commit else None
        if review:
            repository.git.comment(review, text)
    except UserError as error:
        print(f"warning: the request was not told: {error}", file=sys.stderr)
