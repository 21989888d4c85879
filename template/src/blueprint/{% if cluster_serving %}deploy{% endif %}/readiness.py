"""What a deployment needs, as rows of `make doctor`: nothing is changed."""

from functools import cache
from pathlib import Path

import yaml

from .. import settings as configuration
from ..errors import UserError
from ..options import Check
from ..settings import Settings
from ..targets import images
from . import kubectl
from .connection import Cluster, from_here
from .deployment import configured, open_platform
from .settings import Deploy, selected
from .status import difference

RBAC = Path("deploy/rbac")  # what the pipeline may do; whoever runs the cluster applies it
# What `make deploy` does: verbs, and the resources of an API group.
RIGHTS = (
    ("apps", ("deployments",), ("get", "patch")),
    ("autoscaling", ("horizontalpodautoscalers",), ("get", "patch")),
    ("policy", ("poddisruptionbudgets",), ("get", "patch")),
    ("networking.k8s.io", ("networkpolicies",), ("get", "patch")),
    ("", ("services", "serviceaccounts"), ("get", "patch")),
    ("", ("pods", "pods/log", "events"), ("list",)),
)


def checks() -> list[Check]:
    """Rows for the doctor's table; none for a configuration without a cluster to serve on."""
    try:
        loaded = configuration.load()
    except UserError:
        return []  # the row `configuration` says why
    if loaded.deploy is None:
        return []
    cluster = cache(lambda: from_here(configured(loaded)))
    return [
        ("kubectl", kubectl.find, True),
        ("serving cluster", lambda: _answers(cluster()), True),
        ("rights there", lambda: _rights(cluster()), True),
        ("serving image", _image, True),
        ("pipeline's account", lambda: _account(configured(loaded)), True),
        ("served there", lambda: _served(loaded), False),
    ]


def _answers(cluster: Cluster) -> str:
    version = (cluster.get("/version") or {}).get("gitVersion", "")
    return f"context {cluster.deploy.context}, namespace {cluster.namespace}, Kubernetes {version}"


def _rights(cluster: Cluster) -> str:
    missing = [
        f"{verb} {resource}"
        for group, resources, verbs in RIGHTS
        for resource in resources
        for verb in verbs
        if not cluster.may(verb, group, resource)
    ]
    if missing:
        raise UserError(f"you may not {', '.join(missing)}: ask who runs the cluster for a Role")
    return "deploy, follow and take back"


def _image() -> str:
    image = images.recorded().get("serving")
    if image is None or not image.pushed:
        raise UserError("it is pulled from a registry: `make images`, then `make push REGISTRY=…`")
    return image.pushed


def _account(deploy: Deploy) -> str:
    """The service account that deploys for the pipeline, where the configuration names one."""
    if deploy.pipeline_account is None:
        return "deploy.pipeline_account is not set: no pipeline deploys there"
    folder = RBAC / selected()
    objects = list(yaml.safe_load_all(kubectl.build(folder)))
    found = {
        (f"system:serviceaccount:{who['namespace']}:{who['name']}", each["metadata"]["namespace"])
        for each in objects
        if each["kind"] == "RoleBinding"
        for who in each["subjects"]
    }
    wanted = (deploy.pipeline_account, deploy.namespace)
    if found != {wanted}:
        given = ", ".join(f"{account} deploy to {where}" for account, where in sorted(found))
        raise UserError(
            f"deploy.pipeline_account is {wanted[0]}, for namespace {wanted[1]}, and {folder} lets "
            f"{given or 'nobody deploy'}: correct {folder}/account.yaml or the configuration"
        )
    return f"{deploy.pipeline_account}, as {folder} has it"


def _served(loaded: Settings) -> str:
    if problem := difference(loaded):
        raise UserError(problem)
    served = open_platform(loaded)
    return f"{served.pin(served.cluster.get(served.path))}, the registry's champion"
