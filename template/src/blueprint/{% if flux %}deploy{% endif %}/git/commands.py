"""`make promote`, `deploy`, `status`, `rollback` where the configuration names a repository.

Elsewhere, as with config/local.yaml, they do what they do in every project.
"""

from typing import Annotated

import typer

from ... import settings
from ...options import Check, Force, Reason, Version
from .. import commands as direct

app = typer.Typer()


@app.command()
def promote(
    version: Annotated[str | None, typer.Argument(help="its number")] = None,
    force: Force = False,
    reason: Reason = "",
) -> None:
    """Ask Git for a version, by default the champion; elsewhere, make it the champion and serve it.

    One that the gate rejected needs force and a reason, and becomes the champion first.
    """
    from ...registry import commands, promotion

    loaded = settings.load()
    if loaded.gitops is None:
        return commands.promote(version, force, reason)
    from . import promotion as by_git

    if version and force:
        print(promotion.promote(loaded, version, force=True, reason=reason.strip()), flush=True)
    by_git.propose(loaded, version)
    return None


@app.command()
def deploy(version: Version = None, canary: direct.ShareOption = None) -> None:
    """Follow what Git asks for until it answers; elsewhere, serve a version on the cluster."""
    loaded = settings.load()
    if loaded.gitops is None:
        return direct.deploy(version, canary)
    from . import promotion

    promotion.deploy(loaded, version, canary)
    return None


@app.command()
def status() -> None:
    """Say what the cluster serves, and whether that is the registry's champion."""
    loaded = settings.load()
    if loaded.gitops is None:
        return direct.status()
    from ..status import show

    raise SystemExit(show(loaded, "`make promote`"))


@app.command("deploy-previous")
def deploy_previous(reason: Reason = "") -> None:
    """Ask Git for what it asked for before, as `git revert` does; elsewhere, serve the champion
    before this one again."""
    loaded = settings.load()
    if loaded.gitops is None:
        return direct.deploy_previous(reason)
    from . import promotion

    promotion.rollback(loaded, reason=reason.strip())
    return None


def checks() -> list[Check]:
    """The row of `make doctor`: does the repository answer, and what does it ask for?"""
    from ...errors import UserError
    from .repository import check

    try:
        loaded = settings.load()
    except UserError:
        return []  # the row `configuration` says why
    if loaded.gitops is None:
        return []
    return [("repository", lambda: check(loaded.gitops.resolved(loaded)), True)]
