"""`deploy_model` by Git: the accepted version is asked for, and followed where nobody must approve.

A pod needs a token for this one repository ($GIT_TOKEN, from a Secret), and may read Flux's objects
and the model's (deploy/rbac).
"""

from collections.abc import Mapping
from typing import Any

from ...errors import UserError
from ..connection import Cluster, from_here, in_pod
from ..in_pod import TOKEN, ask
from ..pin import resolve
from ..platform import platform
from ..rollout import Say
from ..settings import Deploy
from . import delivery
from .release import FILE, repinned
from .repository import Repository
from .settings import Gitops


def deploy(
    gitops: Mapping[str, Any],
    section: Mapping[str, Any],
    registry: Any,
    version: str,
    say: Say,
    run: str = "",
) -> str:
    """Ask Git for that version; return what was done, in words.

    `gitops` and `section` (deploy) are those of the configuration. The first version is proposed by
    `make promote`, which knows the images. Asked again after a kill, it makes no second commit.
    Raises UserError; what was served serves on.
    """
    if not section:
        raise UserError("the configuration has no section deploy: docs/deploy.md")
    repository = Repository(Gitops.model_validate(gitops))
    pin, before = resolve(registry, version), repository.pin(repository.head())
    if before is None:
        where = f"{repository.folder}/{FILE}"
        return f"{pin} is the champion; {where} names no version yet: `make promote` proposes it"

    def wanted(text: str | None) -> dict[str, str]:
        return {FILE: repinned(text, pin, repository.folder)}

    if not delivery.ask(repository, registry, pin, before, wanted, say, run):
        return f"{pin} waits for whoever approves it"
    pod = TOKEN.exists()
    settings = Deploy.model_validate(section)
    served = platform(in_pod(settings) if pod else from_here(settings))
    return delivery.bring(repository, served, pin, registry.name, say, ask if pod else Cluster.ask)
