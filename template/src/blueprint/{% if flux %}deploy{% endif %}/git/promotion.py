"""`make promote`, `make deploy` and `make rollback` of a person, where Git says what is served."""

from pathlib import Path

from ...errors import UserError
from ...registry.client import connect
from ...settings import Settings
from .. import manifests
from ..connection import from_here, offline
from ..deployment import configured, say
from ..pin import Pin, resolve
from ..platform import Platform, platform
from ..settings import selected
from .delivery import ask, bring
from .release import FILE, HEAD, pinned, repinned
from .repository import Repository
from .settings import Gitops


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


def _files(
    settings: Settings, served: Platform, pin: Pin, folder: str, text: str | None
) -> dict[str, str]:
    """The released folder with that version, and with the images that were pushed from here; where
    none were, the released ones stay, and one line changes."""
    if pinned(text) and manifests.unpushed():
        return {FILE: repinned(text, pin, folder)}
    return manifests.files(settings, served, pin, Path(folder), HEAD)
