"""Changing the champion by hand: promotion, and the way back."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import UserError
from ..export import optional
from ..model import Model, ModelError
from ..settings import Settings
from .client import Registry, Version, attended
from .registration import promotion_tags
from .store import StoreError, check_registered, deploy


class PromotionError(UserError):
    """A version that is not to become the champion, with the reason."""


def promote(settings: Settings, number: str, *, force: bool = False, reason: str = "") -> str:
    """Make version `number` the champion and put it in service; return what was done, in words.

    A version that the gate rejected needs `force` and a `reason`. Who, when and why become tags of
    the version.
    """
    registry = attended(**settings.registry.model_dump())
    version, champion = registry.version(number), registry.champion()
    forced = force and not version.accepted
    if not version.accepted and not force:
        why = version.tags.get("verdict.reason", "it has no verdict")
        raise PromotionError(
            f"version {number} was rejected ({why}): "
            f'`make promote VERSION={number} FORCE=1 REASON="…"` takes it all the same'
        )
    if forced and not reason:
        raise PromotionError('FORCE=1 needs REASON="…": the registry keeps it with the version')
    with _usable(registry, version) as model:
        if not version.champion:
            tags = promotion_tags(_user(), reason or "by hand", forced=forced)
            registry.promote(number, over=champion, tags=tags)
        served = _serve(settings, model, number)
    if version.champion:
        return f"version {number} is the champion already{served}"
    after = f" after version {champion.number}" if champion else ""
    though = f", though the gate rejected it: {reason}" if forced else ""
    return f"version {number} is the champion{after}{served}{though}"


def rollback(settings: Settings, *, reason: str = "") -> str:
    """Put the champion before this one in service again; return what was done, in words.

    Another rollback goes further back, until the first champion.
    """
    registry = attended(**settings.registry.model_dump())
    champion = registry.champion()
    if champion is None:
        raise PromotionError(f"{registry.name} has no champion, so nothing to go back from")
    if not champion.before:
        raise PromotionError(
            f"there was no champion before version {champion.number}; "
            "`make promote VERSION=…` takes any version"
        )
    *earlier, number = champion.before
    why = f"rollback of version {champion.number}{f': {reason}' if reason else ''}"
    with _usable(registry, registry.version(number)) as model:
        tags = promotion_tags(_user(), why)
        registry.promote(number, over=champion, tags=tags, before=earlier)
        served = _serve(settings, model, number)
    return f"version {number} is the champion again{served}: {why}"


def _serve(settings: Settings, model: Path, number: str) -> str:
    """Put the model into the store, where there is one; return what was done, in words."""
    if settings.serving.store is None:
        return ""
    deploy(model, number, settings.serving.store, settings.registry.name)
    return ", and in service"


@contextmanager
def _usable(registry: Registry, version: Version) -> Iterator[Path]:
    """The version's model for the length of a `with` block: what was registered, and it loads."""
    with registry.model(version) as directory:
        try:
            check_registered(directory, version.number, version.tags)
            Model(directory)
            if saved_model := optional("saved_model"):
                saved_model.check(directory)
        except (ModelError, StoreError) as error:
            text = f"version {version.number} cannot be served, so nothing was changed: {error}"
            raise PromotionError(text) from error
        yield directory


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
