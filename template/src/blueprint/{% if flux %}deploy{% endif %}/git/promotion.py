"""A version into Git, and from there to the cluster: proposed, followed, taken back."""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...registry.client import connect
from ...settings import Settings
from .. import manifests
from ..connection import Cluster, from_here, offline
from ..deployment import configured, result, say
from ..pin import Pin, resolve
from ..platform import Platform, platform
from ..rollout import Ask, follow
from ..settings import selected
from .evidence import evidence
from .flux import Flux, State
from .release import FILE, HEAD, pinned, repinned
from .repository import Repository
from .settings import Gitops

Say = Callable[[str], None]


def gitops_of(settings: Settings) -> Gitops:
    """The section, or a UserError where this configuration has none."""
    if settings.gitops is None:
        raise UserError(
            f"config/{selected()}.yaml has no section gitops, which names the repository: "
            "docs/gitops.md has one to copy, or take another configuration: ENV=staging"
        )
    section: Gitops = settings.gitops.resolved(settings)
    return section


def propose(settings: Settings, number: str | None = None) -> None:
    """`make promote ENV=…`: ask Git for a version, by default the champion. Raises UserError."""
    repository, registry = Repository(gitops_of(settings)), connect(settings.registry)
    pin, before = resolve(registry, number), repository.pin(repository.head())
    served = platform(offline(configured(settings)))

    def wanted(text: str | None) -> dict[str, str]:
        return _files(settings, served, pin, repository.folder, text)

    ask(repository, registry, pin, before, wanted, say)


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


def deploy(settings: Settings, number: str | None = None, share: int | None = None) -> None:
    """`make deploy ENV=…`: follow what Git asks for until it answers. Raises UserError; a version
    that Flux cannot bring there is taken back by a commit."""
    if number or share is not None:
        raise UserError(
            "Git says what is served here, all of it at once: `make promote ENV="
            f"{selected()}{f' VERSION={number}' if number else ''}` asks for a version"
        )
    repository = Repository(gitops_of(settings))
    served = platform(from_here(configured(settings)))
    served.check()
    pin = repository.pin(repository.head())
    if pin is None:
        where = f"{repository.folder}/{FILE} in {repository.gitops.branch}"
        raise UserError(
            f"{where} names no version yet: `make promote ENV={selected()}` proposes the champion"
        )
    try:
        bring(repository, served, pin, settings.registry.name, say)
    except KeyboardInterrupt:
        raise UserError(f"Flux goes on without you: `make status ENV={selected()}`") from None


def rollback(settings: Settings, *, reason: str = "") -> None:
    """`make rollback ENV=…`: what the released folder was before its last change, asked for again;
    what `git revert` of that commit does. Raises UserError."""
    repository = Repository(gitops_of(settings))
    history = repository.git.history(f"{repository.folder}/{FILE}", repository.gitops.branch, 2)
    texts = [repository.text(commit) for commit in history]
    now, before = (pinned(text) for text in [*texts, None, None][:2])
    if now is None or before is None:
        raise UserError(f"{repository.environment} has had no version before {now or 'the first'}")
    title = f"Take version {now.version} back to {before.version} in {repository.environment}"
    branch = f"promote/{repository.environment}" if repository.gitops.review else None
    changed = repository.change(lambda _: {FILE: str(texts[1])}, title, reason, branch)
    where = changed.review.url if changed.review else f"commit {str(changed.commit)[:12]}"
    say(f"{before} is asked for again: {where}")


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

    flux.hurry()
    try:
        flux.wait(holds, say, end, begun)
        live = follow(served, pin, model, say, ask)
        flux.wait(holds, say, end, lambda state: state.settled(holds))
    except UserError as error:
        text = f"{pin} is not served: {error}. {take_back(repository, flux, pin)}"
        _comment(repository, text)
        raise UserError(text) from None
    text = result(served, live, pin, time.monotonic() - start)
    say(text)
    if new:
        _comment(repository, text)
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


def _comment(repository: Repository, text: str) -> None:
    """Tell the request that brought the version; one that cannot be told changes nothing."""
    if not repository.gitops.review:
        return
    try:
        commit = repository.last_change()
        review = repository.git.of_commit(commit) if commit else None
        if review:
            repository.git.comment(review, text)
    except UserError as error:
        print(f"warning: the request was not told: {error}", file=sys.stderr)


def _files(
    settings: Settings, served: Platform, pin: Pin, folder: str, text: str | None
) -> dict[str, str]:
    """The released folder with that version, and with the images that were pushed from here; where
    none were, the released ones stay, and one line changes."""
    if pinned(text) and manifests.unpushed():
        return {FILE: repinned(text, pin, folder)}
    return manifests.files(settings, served, pin, Path(folder), HEAD)
