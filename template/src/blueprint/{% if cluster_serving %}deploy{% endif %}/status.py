"""`make status`: what a cluster serves, and whether it is the registry's champion."""

from datetime import datetime

from rich.console import Console
from rich.table import Table

from ..errors import UserError
from ..registry.check import soon
from ..registry.client import connect
from ..registry.store import FILES_TAG
from ..settings import Settings
from ..targets.model_image import IMAGE_TAG
from .connection import Object
from .deployment import open_platform
from .pin import Pin, mounted
from .rollout import complete, condition, deployment_of, image_of, served
from .traffic import canary

DEPLOY = "`make deploy`"


def show(settings: Settings, command: str = DEPLOY) -> int:
    """Print it; 0 when the champion answers and all of its pods are ready, else 1.

    `command` is what brings another version there.
    """
    platform, model = open_platform(settings), settings.registry.name
    live = platform.cluster.get(platform.path)
    if live is None:
        where = f"namespace {platform.cluster.namespace}"
        print(f"nothing is served in {where} yet: {command} puts the champion there")
        return 1
    pin, deployment = platform.pin(live), deployment_of(platform, live)
    version, answer = served(platform, live, model)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("model", model)
    table.add_row("pinned", str(pin) if pin else "no version")
    table.add_row("answers", f"version {version}" if version else f"no version: {answer}")
    if deployment:
        table.add_row("image", _short(image_of(platform, live)))
        if image := mounted(deployment):
            table.add_row("model image", _short(image))
        table.add_row("pods", _pods(deployment))
        table.add_row("since", _since(deployment))
    if left := canary(platform).left():
        table.add_row("canary", f"{left}; unless a command is at it: `make deploy` takes it away")
    table.add_row("address", platform.address(live))
    console = Console(highlight=False)
    console.print(table)
    problem = _problem(pin, version, deployment, command)
    problem = problem or _difference(settings, pin, live, command)
    console.print(f"! {problem}" if problem else "It is the registry's champion.", markup=False)
    return int(bool(problem))


def difference(settings: Settings) -> str:
    """How what the cluster serves is not the registry's champion, in words; "" when it is."""
    platform = open_platform(settings)
    live = platform.cluster.get(platform.path)
    return _difference(settings, platform.pin(live), live, DEPLOY)


def _difference(settings: Settings, pin: Pin | None, live: Object | None, command: str) -> str:
    try:
        with soon():
            champion = connect(settings.registry).champion()
    except UserError as error:
        return f"whether it is the champion is not known: {error}"
    if champion is None:
        return "the registry has no champion"
    fix = f"{command} serves it"
    if pin is None or pin.version != champion.number:
        return f"version {champion.number} is the registry's champion: {fix}"
    if pin.sha256 != champion.tags.get(FILES_TAG):
        return f"the registry's version {pin.version} has another hash: {fix}"
    image = mounted(live) if live else ""
    if image and image != champion.tags.get(IMAGE_TAG):
        return f"the registry names another image of version {pin.version}: {fix}"
    return ""


def _problem(pin: Pin | None, version: str | None, deployment: Object | None, command: str) -> str:
    if pin is None or version is None:
        return f"no version answers: {command} puts the champion there"
    if version != pin.version:
        return f"version {version} still answers, and version {pin.version} does not yet"
    if deployment is None or not complete(deployment):
        return "not all pods are ready and of this version: a rollout is under way, or stuck"
    return ""


def _short(image: str) -> str:
    name, _, digest = image.partition("@sha256:")
    return f"{digest[:12]} of {name}" if digest else name


def _pods(deployment: Object) -> str:
    status = deployment.get("status", {})
    ready, all_of_them = status.get("readyReplicas", 0), status.get("replicas", 0)
    return f"{ready} of {all_of_them} ready, {status.get('updatedReplicas', 0)} as pinned"


def _since(deployment: Object) -> str:
    """When the last rollout ended, in local time."""
    progress = condition(deployment, "Progressing")
    if progress.get("reason") != "NewReplicaSetAvailable":
        return "–"
    return f"{datetime.fromisoformat(progress['lastUpdateTime']).astimezone():%Y-%m-%d %H:%M:%S}"
