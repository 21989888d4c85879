"""Flux on the cluster of the tests, and the Git server that it reads.

FLUX_GIT is a folder whose bare repositories are served at FLUX_GIT_URL, to Flux and to us.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from support import cluster, rendering
from support.cluster import kubectl
from support.forge import NAME, READER, Forge
from support.pods import apply

FOLDER, URL = os.environ.get("FLUX_GIT", ""), os.environ.get("FLUX_GIT_URL", "")
SYSTEM = "flux-system"
INSTALL = "install Flux, export FLUX_GIT (bare repositories) and FLUX_GIT_URL (where they are read)"


def need_flux() -> None:
    there = kubectl("get", "crd", "kustomizations.kustomize.toolkit.fluxcd.io", check=False)
    if not (there and FOLDER and URL):
        cluster.lacking("no Flux, or no Git server that it reads", INSTALL)


class Repository:
    """A bare repository that Flux reads, and a project's clone that was pushed to it.

    `forge` is the host that has it, by default the Git server; its login is `password`.
    """

    def __init__(self, project: Path, name: str, forge: Forge | None = None) -> None:
        self.project, self.name = project, name
        self.bare, self.url = Path(FOLDER) / f"{name}.git", f"{URL}/{name}.git"
        self.password = READER if forge else None
        if forge:
            self.bare, self.url = forge.repository.path, f"{forge.url}/{NAME}.git"
        rendering.git(project, "init", "-q", "--bare", "-b", "main", str(self.bare))
        self.push("The project", "--force")

    def push(self, message: str, *options: str) -> str:
        """Everything in the project as one commit of main, upon what is there; the commit."""
        rendering.git(self.project, "add", "-A")
        rendering.git(self.project, "commit", "-q", "--no-verify", "--allow-empty", "-m", message)
        rendering.git(self.project, "push", "-q", *options, str(self.bare), "HEAD:main")
        return self.head()

    def pull(self) -> None:
        rendering.git(self.project, "pull", "-q", "--rebase", str(self.bare), "main")

    def head(self) -> str:
        return rendering.git(self.bare, "rev-parse", "main").strip()

    def commits(self) -> list[str]:
        """The titles, the newest first."""
        return rendering.git(self.bare, "log", "--format=%s", "main").splitlines()

    def changes(self, commit: str = "main") -> list[str]:
        """What a commit changes: "1 1 path", lines added and removed."""
        shown = rendering.git(self.bare, "show", "--numstat", "--format=", commit)
        return [" ".join(line.split()) for line in shown.splitlines()]


@contextlib.contextmanager
def followed(repository: Repository, environment: str = "staging") -> Iterator[dict[str, Any]]:
    """Flux applies the repository's app as clusters/<env>/app.yaml says; its Kustomization."""
    file = repository.project / "clusters" / environment / "app.yaml"
    [app] = [
        each for each in yaml.safe_load_all(file.read_text()) if each["metadata"]["name"] == "app"
    ]
    app["metadata"]["name"] = repository.name
    app["spec"]["sourceRef"]["name"] = repository.name
    app["spec"].pop("dependsOn", None)  # the infrastructure's charts are not to be had here
    app["spec"] |= {"interval": "10m", "retryInterval": "5s"}
    source: dict[str, Any] = {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": repository.name, "namespace": SYSTEM},
        "spec": {"interval": "10m", "url": repository.url, "ref": {"branch": "main"}},
    }
    items = [source, app]
    if repository.password:
        login = {"username": "flux", "password": repository.password}
        items.insert(0, secret(repository.name, SYSTEM, **login))
        source["spec"]["secretRef"] = {"name": repository.name}
    apply(*items)
    try:
        yield app
    finally:
        for kind in ("kustomization", "gitrepository", "secret"):
            kubectl("delete", f"--namespace={SYSTEM}", f"{kind}/{repository.name}", check=False)
        shutil.rmtree(repository.bare, ignore_errors=True)


def secret(name: str, namespace: str, **data: str) -> dict[str, Any]:
    """A Secret, as External Secrets would make it."""
    about = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": about, "stringData": data}


def reconcile(kind: str, name: str) -> None:
    """Have Flux look now."""
    kubectl(
        "annotate",
        f"--namespace={SYSTEM}",
        f"{kind}/{name}",
        "--overwrite",
        f"reconcile.fluxcd.io/requestedAt={time.time()}",
    )


def wait_until(done: Callable[[], bool], what: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"waited {seconds:.0f} s: {what}"
        time.sleep(0.5)
