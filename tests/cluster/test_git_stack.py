"""All of clusters/staging, from Git, as `flux bootstrap` has Flux apply it.

No chart can be fetched here: releases and their sources are suspended. Of the services, those that
need images or GitHub are switched off by their line, as an owner does it.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
import yaml

from support import flux_cluster, rendering
from support.cluster import get_json, kubectl, lacking
from support.flux_cluster import SYSTEM, Repository, reconcile, wait_until
from support.pods import apply

pytestmark = pytest.mark.slow
OFF = ("pipelines", "postgresql")
FETCHED = "HelmRelease|OCIRepository|HelmRepository"
ORDER = ("controllers", "configs", "services")
FOLDERS = (*ORDER, "rights", "rights-flux", "app")
# What stays when a part goes: its namespace, and the data in it.
KEPT = ("cert-manager", "external-secrets", "gateways", "secrets", "mlflow")
CRDS = (
    "helmreleases.helm.toolkit.fluxcd.io",
    "externalsecrets.external-secrets.io",
    "clusterissuers.cert-manager.io",
    "gateways.gateway.networking.k8s.io",
)


@pytest.fixture
def served(flux_project: Any, copy_of: Callable[..., Any]) -> Any:
    return copy_of(flux_project)


@pytest.fixture
def repository(served: Any) -> Iterator[Repository]:
    """The project in Git; its cluster's Kustomizations are applied from there."""
    if not all(kubectl("get", "crd", each, check=False) for each in CRDS):
        lacking("the stack's custom resources", "apply the CRDs of docs/infrastructure.md's parts")
    path = served.project.path
    for file in [*path.glob("infrastructure/**/*.yaml"), *path.glob("deploy/rbac/**/*.yaml")]:
        text = file.read_text()
        file.write_text(text.replace("team-vision", served.namespace))
    services = path / "infrastructure/services/kustomization.yaml"
    lines = services.read_text().splitlines(keepends=True)
    switched = [
        "# " + line if line.strip() in {f"- {name}" for name in OFF} else line for line in lines
    ]
    assert len([line for line in switched if line.startswith("# ")]) >= len(OFF)
    services.write_text("".join(switched))
    for part in ORDER:
        file = path / f"infrastructure/overlays/staging/{part}/kustomization.yaml"
        content = yaml.safe_load(file.read_text())
        patch = '[{"op": "add", "path": "/spec/suspend", "value": true}]'
        content["patches"] = [
            *content.get("patches", []),
            {"target": {"kind": FETCHED}, "patch": patch},
        ]
        file.write_text(yaml.safe_dump(content))
    for file in (path / "clusters/staging").glob("*.yaml"):  # the tests wait for every retry
        text = re.sub(r"retryInterval: \w+", "retryInterval: 5s", file.read_text())
        file.write_text(text)
    config = path / "config/staging.yaml"
    content = yaml.safe_load(config.read_text())
    address = f"{flux_cluster.URL}/{served.namespace}.git"
    content["gitops"] = {"provider": "git", "repository": address, "review": False}
    config.write_text(yaml.safe_dump(content))
    made = Repository(path, served.namespace)
    about = {"name": "flux-system", "namespace": SYSTEM}
    source = {"interval": "10m", "url": made.url, "ref": {"branch": "main"}}
    root = {
        "interval": "10m",
        "retryInterval": "5s",
        "prune": True,
        "path": "./clusters/staging",
        "sourceRef": {"kind": "GitRepository", "name": "flux-system"},
    }
    apply(
        _object("source.toolkit.fluxcd.io/v1", "GitRepository", about, source),
        _object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", about, root),
    )
    try:
        yield made
    finally:
        at = f"--namespace={SYSTEM}"
        kubectl("delete", at, "kustomization/flux-system", "--timeout=120s", check=False)
        kubectl("delete", at, "gitrepository/flux-system", check=False)
        kubectl("delete", "namespace", *KEPT, "--wait=false", "--ignore-not-found", check=False)
        shutil.rmtree(made.bare, ignore_errors=True)


def _object(version: str, kind: str, about: Any, spec: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": about, "spec": spec}


def folders() -> dict[str, dict[str, Any]]:
    """The condition Ready of each Kustomization, with the revision that it has applied."""
    items = get_json("kustomizations.kustomize.toolkit.fluxcd.io", f"--namespace={SYSTEM}")["items"]
    found = {}
    for each in items:
        status = each.get("status", {})
        conditions = {one["type"]: one for one in status.get("conditions", [])}
        found[each["metadata"]["name"]] = {
            **conditions.get("Ready", {}),
            "applied": status.get("lastAppliedRevision", ""),
        }
    return found


def all_there(head: str) -> bool:
    found = folders()
    return all(
        found.get(name, {}).get("status") == "True" and found[name]["applied"].endswith(head)
        for name in FOLDERS
    )


def made_at(kind: str, name: str) -> datetime:
    created = get_json(kind, name)["metadata"]["creationTimestamp"]
    return datetime.fromisoformat(created)


def test_the_stack_comes_up_in_order_and_the_model_upon_it(
    served: Any, repository: Repository
) -> None:
    wait_until(lambda: all_there(repository.head()), f"{FOLDERS} are ready: {folders()}", 240)
    first, second, third = (
        made_at("namespace", each) for each in ("gateways", "secrets", "mlflow")
    )
    assert first <= second <= third
    shown = served.project.make("stack", "ENV=staging")
    table = " ".join(shown.stdout.split())
    commit = repository.head()[:12]
    for name in FOLDERS:
        assert f"folder {name} {commit} ready" in table, shown.stdout
    assert re.search(r"release cert-manager – suspended", table), shown.stdout
    assert table.index("folder controllers") < table.index("folder configs")
    assert table.index("folder configs") < table.index("folder app")
    assert "version 3" in served.make("promote")
    served.make("deploy")
    assert served.answers() == "3"


def test_what_breaks_first_holds_up_what_comes_after_and_nothing_that_runs(
    served: Any, repository: Repository
) -> None:
    wait_until(lambda: all_there(repository.head()), "the stack is there", 240)
    served.make("promote")
    served.make("deploy")
    repository.pull()
    file = served.project.path / "infrastructure/controllers/cert-manager/namespace.yaml"
    file.write_text(file.read_text().replace("kind: Namespace", "kind: Nonsense"))
    repository.push("A mistake")
    reconcile("gitrepository", "flux-system")
    wait_until(
        lambda: (
            folders()["configs"].get("reason") == "DependencyNotReady"
            and folders()["controllers"].get("status") == "False"
        ),
        "configs waits for controllers",
    )
    shown = served.project.make("stack", "ENV=staging", check=False)
    table = " ".join(shown.stdout.split())
    assert shown.returncode
    assert re.search(r"folder controllers \S+ failed .*Nonsense", table), shown.stdout
    assert re.search(r"folder configs \S+ waiting DependencyNotReady", table), shown.stdout
    assert served.answers() == "3"

    rendering.git(served.project.path, "revert", "--no-edit", "HEAD")
    repository.push("nothing more")
    reconcile("gitrepository", "flux-system")
    wait_until(lambda: all_there(repository.head()), "the stack is there again", 120)
    assert served.project.make("stack", "ENV=staging").returncode == 0
    assert served.answers() == "3"
