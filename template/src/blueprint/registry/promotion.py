"""Changing the champion by hand: promotion, and the way back."""

import getpass
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..errors import UserError
from ..export import optional
from ..model import Model, ModelError
from ..settings import Settings
from .client import Registry, Version, connect
from .store import StoreError, check_registered, deploy


def promote(settings: Settings, number: str, *, force: bool = False, reason: str = "") -> str:
    """Make version `number` the champion and put it in service; return what was done, in words.

    A version that the gate rejected needs `force` and a `reason`. Who, when and why become tags of
    the version.
    """
    registry = connect(settings.registry)
    version, champion = registry.version(number), registry.champion()
    forced = not version.accepted
    if forced and not force:
        why = version.tags.get("verdict.reason", "it has no verdict")
        raise UserError(
            f"version {number} was rejected ({why}): "
            f'`make promote VERSION={number} FORCE=1 REASON="…"` promotes it all the same'
        )
    if forced and not reason:
        raise UserError('FORCE=1 needs REASON="…": the registry keeps it with the version')
    tags = promotion_tags(_user(), reason or "by hand", forced=forced)
    if version.champion:
        return f"version {number} is the champion already{_serve(settings, registry, version)}"
    served = _serve(settings, registry, version, {"over": champion, "tags": tags})
    after = f" after version {champion.number}" if champion else ""
    though = f", though the gate rejected it: {reason}" if forced else ""
    return f"version {number} is the champion{after}{served}{though}"


def rollback(settings: Settings, *, reason: str = "") -> str:
    """Put the champion before this one in service again; return what was done, in words.

    Another rollback goes further back, until the first champion.
    """
    registry = connect(settings.registry)
    champion = registry.champion()
    if champion is None:
        raise UserError(f"{registry.name} has no champion, so nothing to go back from")
    if not champion.before:
        raise UserError(
            f"there was no champion before version {champion.number}; "
            "`make promote VERSION=…` promotes any version"
        )
    *earlier, number = champion.before
    why = f"rollback of version {champion.number}{f': {reason}' if reason else ''}"
    change = {"over": champion, "tags": promotion_tags(_user(), why), "before": earlier}
    served = _serve(settings, registry, registry.version(number), change)
    return f"version {number} is the champion again{served}: {why}"


def promotion_tags(by: str, reason: str, *, forced: bool = False) -> dict[str, str]:
    """The tags that say how a version became the champion."""
    return {
        "promoted.at": datetime.now(UTC).isoformat(timespec="seconds"),
        "promoted.by": by,
        "promoted.reason": reason,
        "promoted.forced": str(forced).lower(),
    }


def _serve(
    settings: Settings,
    registry: Registry,
    version: Version,
    change: Mapping[str, Any] | None = None,
) -> str:
    """Put a version into the store, where there is one; return what was done, in words.

    `change` makes it the champion before, as arguments of `Registry.promote`. A version whose files
    are not those that were registered, or do not load, changes nothing: it is a UserError.
    """
    with registry.model(version) as directory:
        try:
            check_registered(directory, version.number, version.tags)
            Model(directory)
            if saved_model := optional("saved_model"):
                saved_model.check(directory)
        except (ModelError, StoreError) as error:
            text = f"version {version.number} cannot be served, so nothing was changed: {error}"
            raise UserError(text) from error
        if change:
            registry.promote(version.number, **change)
        if settings.serving.store is None:
            return ""
        deploy(directory, version.number, settings.serving.store, registry.name)
        return ", and in service"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
