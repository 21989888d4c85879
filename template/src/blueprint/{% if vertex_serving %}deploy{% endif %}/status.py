"""`make status`: what the endpoint serves, and whether it is the registry's champion."""

from datetime import datetime

from rich.console import Console
from rich.table import Table

from ..errors import UserError
from ..registry.check import soon
from ..registry.client import connect
from ..registry.store import FILES_TAG
from ..settings import Settings
from .calls import Object
from .deployment import open_endpoint
from .endpoint import Deployed, Endpoint

DEPLOY = "`make deploy`"


def show(settings: Settings) -> int:
    """Print it; 0 when the champion has all requests, else 1."""
    endpoint, model = open_endpoint(settings), settings.registry.name
    live = endpoint.live()
    if live is None:
        name = endpoint.deploy.endpoint
        print(f"there is no endpoint {name} yet: {DEPLOY} makes it and puts the champion there")
        return 1
    deployed = endpoint.deployed(live)
    about = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    about.add_row("model", model)
    about.add_row("endpoint", f"{endpoint.deploy.endpoint} in {endpoint.vertex.location}")
    found = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("version", "requests", "replicas", "machine", "since"):
        found.add_column(column, justify="right" if column == "requests" else "left", no_wrap=True)
    for each in deployed:
        labels = version_of(endpoint, model, each).get("labels", {})
        what = f"{labels.get('mlflow_version', '?')} ({labels.get('model_sha256', '')[:12]})"
        row = (what, f"{each.share} %", each.replicas, each.machine, _local(each.created))
        found.add_row(*row)
    console = Console(highlight=False)
    console.print(about)
    address = endpoint.address(live) or "private, by Private Service Connect"
    console.print(f"address   {address}", soft_wrap=True)  # one line, to be copied
    if deployed:
        console.print(found)
    problem = _problem(deployed) or _difference(settings, endpoint, deployed)
    console.print(f"! {problem}" if problem else "It is the registry's champion.", markup=False)
    return int(bool(problem))


def difference(settings: Settings) -> str:
    """How what the endpoint serves is not the registry's champion, in words; "" when it is."""
    endpoint = open_endpoint(settings)
    deployed = endpoint.deployed()
    return _problem(deployed) or _difference(settings, endpoint, deployed)


def version_of(endpoint: Endpoint, model: str, deployed: Deployed) -> Object:
    """The version of the model that is deployed, as Vertex AI has it."""
    name = f"{endpoint.vertex.parent}/models/{model}@{deployed.version}"
    return endpoint.calls.get(name) or {}


def _problem(deployed: list[Deployed]) -> str:
    serving = [each for each in deployed if each.share]
    if not serving:
        return f"no version answers: {DEPLOY} puts the champion there"
    if others := [each for each in deployed if each.id != serving[0].id]:
        canary = others[-1]
        return (
            f"beside {serving[0].name} there is {canary.name} with {canary.share} % of the "
            f"requests: unless a command is at it, {DEPLOY} ends that"
        )
    return ""


def _difference(settings: Settings, endpoint: Endpoint, deployed: list[Deployed]) -> str:
    try:
        with soon():
            champion = connect(settings.registry).champion()
    except UserError as error:
        return f"whether it is the champion is not known: {error}"
    if champion is None:
        return "the registry has no champion"
    serving = next(each for each in deployed if each.share)
    labels = version_of(endpoint, settings.registry.name, serving).get("labels", {})
    if labels.get("mlflow_version") != champion.number:
        return f"version {champion.number} is the registry's champion: {DEPLOY} serves it"
    known, now = labels.get("model_sha256", ""), champion.tags.get(FILES_TAG, "")
    if not known or not now.startswith(known):
        return f"the registry's version {champion.number} has another hash: {DEPLOY} serves it"
    return ""


def _local(time: str) -> str:
    """A time of the API in local time."""
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M}" if time else "–"
