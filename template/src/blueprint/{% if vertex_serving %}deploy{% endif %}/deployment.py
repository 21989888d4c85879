"""`make deploy`: a version to the endpoint, followed till it answers, taken back if it fails."""

import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console

from ..errors import UserError
from ..registry.client import connect
from ..settings import Settings
from .endpoint import Deployed, Endpoint, Say
from .settings import Deploy, selected
from .versions import Pin, Versions, example, resolve

if TYPE_CHECKING:
    from ..registry.client import Registry


def configured(settings: Settings) -> Deploy:
    """The section, or a UserError where this configuration has none."""
    for name in ("vertex", "deploy"):
        if getattr(settings, name) is None:
            raise UserError(
                f"config/{selected()}.yaml has no section {name}: docs/endpoint.md has one to "
                "copy, or take another configuration: ENV=staging"
            )
    section: Deploy = settings.deploy.resolved(settings)
    return section


def open_endpoint(settings: Settings) -> Endpoint:
    """The endpoint of the configuration, which need not be there yet. Raises UserError."""
    return Endpoint(configured(settings), settings.vertex)


def deploy(settings: Settings, number: str | None = None) -> None:
    """Serve a version, by default the champion. Raises UserError; what served before serves on."""
    endpoint = open_endpoint(settings)
    endpoint.ensure(say)
    registry = connect(settings.registry)
    say(serve(endpoint, registry, resolve(registry, number), say))


def serve(endpoint: Endpoint, registry: "Registry", pin: Pin, say: Say) -> str:
    """Have the endpoint serve a version and nothing else; return what was done, in words.

    Whatever a killed command left is taken up, or taken away. Raises UserError.
    """
    start = time.perf_counter()
    versions = Versions(endpoint.deploy, endpoint.calls, registry.name)
    name = versions.register(registry, pin, say)
    before, new = endpoint.stable(), None
    try:
        new = endpoint.add(name, label(registry.name, pin), say)
        if new.share < 100:
            endpoint.shift({new.id: 100})
        endpoint.follow(new.id, example(registry, pin), say)
    except KeyboardInterrupt:
        raise UserError(
            f"the deployment of {pin} goes on: `make deploy ENV={selected()}` takes it up, "
            f"`make status ENV={selected()}` says how it is"
        ) from None
    except UserError as error:
        raise UserError(
            f"{pin} is not deployed: {error}. {take_back(endpoint, before, new, say)}"
        ) from None
    endpoint.keep(new.id, say)
    champion = registry.champion()
    if champion and champion.number == pin.version:
        versions.mark(name)
    return result(endpoint, pin, time.perf_counter() - start)


def check_rollback(settings: Settings) -> None:
    """Raise UserError where the champion before this one cannot be deployed; nothing is changed."""
    endpoint, registry = open_endpoint(settings), connect(settings.registry)
    live = endpoint.live()
    if live is None:
        raise UserError(f"there is no endpoint {endpoint.deploy.endpoint}: `make deploy` makes it")
    Versions(endpoint.deploy, endpoint.calls, registry.name).check()
    champion = registry.champion()
    if champion and champion.before:
        resolve(registry, champion.before[-1])


def take_back(endpoint: Endpoint, before: Deployed | None, new: Deployed | None, say: Say) -> str:
    """Have the endpoint serve what it served before, and not the new version; say so."""
    try:
        if new and before and new.id == before.id:
            return "It was in service already, and stays"
        if new is None and endpoint.calls.under_way(endpoint.name):
            say("it is still starting: the next `make deploy` takes it up, or off the endpoint")
        if before:
            endpoint.keep(before.id, say)
            return f"{before.name} serves on"
        if new:
            endpoint.remove(new.id, say)
        return "As before, no version is served"
    except UserError as error:
        return f"It could not be taken back: {error}"


def result(endpoint: Endpoint, pin: Pin, seconds: float) -> str:
    """What is served now, in one line."""
    address = endpoint.address(endpoint.live() or {"name": endpoint.name})
    return f"{pin} answers at {address or 'its private address'} after {seconds:.1f} s"


def label(model: str, pin: Pin) -> str:
    """How a version is called on the endpoint."""
    return f"{model}-v{pin.version}"


def say(text: str) -> None:
    """Print a line: on a terminal it wraps between words, elsewhere it stays one."""
    Console(highlight=False, soft_wrap=not sys.stdout.isatty()).print(text, markup=False)
