"""`deploy_model` on a cluster: the pin of what serves is changed, and followed till it answers.

A pod's service account may do this and no more (deploy/rbac): read and patch the one object, look
at its pods and events. On a laptop (`make run ENV=staging`) the kubeconfig's login does the same.
"""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UserError
from .connection import JSON_PATCH, Cluster, from_here, in_pod
from .pin import Pin, mounted, resolve
from .platform import Platform, platform
from .rollout import Say, follow
from .settings import Deploy

ANSWER_SECONDS = 5
TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")  # a pod's


def deploy(section: Mapping[str, Any], registry: Any, version: str, say: Say) -> str:
    """Serve that version of the registry's model; return what was done, in words.

    The object must be there: who serves the first champion, makes it by `make deploy`. So does who
    has pods mount models as images: a pipeline makes none.
    `section` is the configuration's `deploy`. Raises UserError; the version before it goes on
    serving.
    """
    start, pin = time.perf_counter(), resolve(registry, version)
    settings = Deploy.model_validate(section)
    served = platform(in_pod(settings) if TOKEN.exists() else from_here(settings))
    live = served.cluster.get(served.path)
    if live is None:
        there_is = f"no {served.kind} {served.name} in namespace {served.cluster.namespace}"
        if not registry.version(version).before:  # then nothing was ever served
            return f"{pin} is the first champion, and there is {there_is}: `make deploy` makes it"
        raise UserError(f"there is {there_is}: `make deploy` makes it")
    if mounted(live):  # the pipeline may pin a version, not change the pods' volumes
        return (
            f"{pin} is the champion, and pods of {served.name} mount their model as an image: "
            f"`make model-image VERSION={version}`, then `make deploy`"
        )
    before = served.pin(live)
    if before != pin:
        served.cluster.patch(served.path, served.change(live, pin), JSON_PATCH)
    try:
        follow(served, pin, registry.name, say, ask if TOKEN.exists() else Cluster.ask)
    except UserError as error:
        raise UserError(f"{pin} is not served: {error}. {_restore(served, before, pin)}") from None
    return f"{pin} answers after {time.perf_counter() - start:.1f} s"


def ask(cluster: Cluster, service: str, path: str) -> tuple[int, str]:
    """Status and body of a GET to a service of this cluster, by its name in DNS; 0 is no answer."""
    host = f"{service.partition(':')[0]}.{cluster.namespace}.svc"
    try:
        with urllib.request.urlopen(f"http://{host}{path}", timeout=ANSWER_SECONDS) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)


def _restore(served: Platform, before: Pin | None, pin: Pin) -> str:
    """Pin what was pinned before; say so."""
    if before == pin:
        return "It was pinned already"
    try:
        live = served.cluster.get(served.path) or {}
        served.cluster.patch(served.path, served.change(live, before), JSON_PATCH)
    except UserError as error:
        return f"It could not be taken back: {error}"
    return f"{before} is pinned again" if before else "As before, no version is pinned"
