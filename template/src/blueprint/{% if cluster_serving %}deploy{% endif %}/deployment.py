"""`make deploy` from a laptop: what changes is shown, applied, followed, and taken back if it
fails."""

import sys
import time

from rich.console import Console

from ..errors import UserError
from ..registry.client import connect
from ..settings import Settings
from . import kubectl, manifests
from .connection import ConnectionProblem, Object, from_here, offline
from .pin import resolve
from .platform import Platform, platform
from .rollout import follow, result
from .settings import Deploy, selected
from .steps import clear
from .traffic import canary


def configured(settings: Settings) -> Deploy:
    """The section, or a UserError where this configuration has none."""
    if settings.deploy is None:
        raise UserError(
            f"config/{selected()}.yaml has no section deploy, which names the cluster: "
            "docs/deploy.md has one to copy, or take another configuration: ENV=staging"
        )
    section: Deploy = settings.deploy.resolved(settings)
    return section


def open_platform(settings: Settings) -> Platform:
    """What serves the model, on the cluster of the configuration. Raises UserError."""
    served = platform(from_here(configured(settings)))
    served.check()
    return served


def deploy(settings: Settings, number: str | None = None) -> None:
    """Serve a version, by default the champion. Raises UserError; what served before serves on."""
    start = time.perf_counter()
    served = open_platform(settings)
    pin = resolve(connect(settings.registry), number)
    built = manifests.build(settings, served, pin)
    deploy, cluster = served.cluster.deploy, served.cluster
    if left := canary(served).left():
        say(f"a canary of {left} is left here: it goes after this deployment")
    before, changes = cluster.get(served.path), kubectl.diff(built, deploy)
    for line in changes or ["nothing changes on the cluster"]:
        print(line, flush=True)
    try:
        if changes:
            kubectl.apply(built, deploy)
        live = follow(served, pin, settings.registry.name, say)
    except KeyboardInterrupt:
        raise UserError(
            f"the rollout of {pin} goes on: `make status ENV={selected()}` says how it is"
        ) from None
    except UserError as error:
        after = take_back(served, before) if changes else "Nothing was changed"
        raise UserError(f"{pin} is not deployed: {error}. {after}") from None
    clear(canary(served), say)
    say(result(served, live, pin, time.perf_counter() - start))


def check_rollback(settings: Settings) -> None:
    """Raise UserError where the champion before this one cannot be deployed; nothing is changed."""
    served, registry = open_platform(settings), connect(settings.registry)
    champion = registry.champion()
    if champion and champion.before:
        manifests.build(settings, served, resolve(registry, champion.before[-1]))


def manifest(settings: Settings, number: str | None = None) -> str:
    """What would be applied, as YAML; the cluster is not asked."""
    served = platform(offline(configured(settings)))
    return manifests.build(settings, served, resolve(connect(settings.registry), number))


def take_back(served: Platform, before: Object | None) -> str:
    """Have the cluster serve what it served before; say so."""
    try:
        if before is None:
            served.cluster.delete(served.path)
            return f"Nothing was served before, so the {served.kind} is removed again"
        served.restore(before)
    except ConnectionProblem as error:
        return f"It could not be taken back: {error}"
    pin = served.pin(before)
    return f"{pin} serves on" if pin else "As before, no version is served"


def say(text: str) -> None:
    """Print a line: on a terminal it wraps between words, elsewhere it stays one."""
    Console(highlight=False, soft_wrap=not sys.stdout.isatty()).print(text, markup=False)
