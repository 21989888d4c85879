"""`make deploy CANARY=10`: a new version by steps, and one report of them."""

import time

import yaml

from ..errors import UserError
from ..registry.client import connect
from ..settings import Settings
from . import kubectl, manifests
from .connection import Object
from .deployment import open_platform, say, take_back
from .pin import resolve
from .rollout import follow, result
from .steps import clear, plan, release
from .traffic import canary


def deploy(settings: Settings, number: str | None, first: int) -> None:
    """Serve a version, by default the champion: `first` percent of the requests go to it, and more
    while the gate allows it. Raises UserError; what served before serves on."""
    start = time.perf_counter()
    served, model = open_platform(settings), settings.registry.name
    section = served.cluster.deploy
    shares = plan(first, section.canary.steps)
    pin, beside = resolve(connect(settings.registry), number), canary(served)
    if left := beside.left():
        say(f"a canary of {left} is left here: it goes first")
        clear(beside, say)
    before = served.cluster.get(served.path)
    if served.pin(before) == pin:
        raise UserError(f"{pin} is in service already: a canary of it would show nothing")
    objects = list(yaml.safe_load_all(manifests.build(settings, served, pin)))
    for line in kubectl.diff(yaml.safe_dump_all(objects), section):
        print(line, flush=True)

    def promote(changed: list[Object]) -> None:
        try:
            kubectl.apply(yaml.safe_dump_all(changed), section)
            follow(served, pin, model, say)
        except UserError as error:
            raise UserError(f"{error}. {take_back(served, before)}") from None

    try:
        release(beside, pin, model, objects, shares, promote, say)
    except KeyboardInterrupt:
        raise UserError(f"interrupted: {served.pin(before)} has all requests again") from None
    live = served.cluster.get(served.path) or {}
    say(result(served, live, pin, time.perf_counter() - start))
