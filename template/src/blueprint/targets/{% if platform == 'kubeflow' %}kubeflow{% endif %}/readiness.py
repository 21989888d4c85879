"""What a configuration lacks for a run on the cluster, found without asking anybody."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from ... import settings as configuration
from ...errors import UserError
from ...options import Check
from ...settings import Settings
from .. import images
from ..facts import fingerprint
from .settings import IN_CLUSTER_TOKEN, KUBEFLOW_COOKIE, KUBEFLOW_TOKEN, Kubeflow

# Hosts that mean this machine here, and another one in a pod.
HERE = re.compile(r"(.*\.)?localhost(\.localdomain)?|127\..*|0\.0\.0\.0|::1?|host\.docker\..*|")
EXAMPLE = re.compile(r"\bexample(-bucket\b|\.com\b|\.org\b)")
# Where Kubeflow keeps artifacts, and what a step that opens such a store finds in its environment.
STORES = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "minio": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS",),
}
NO_CLUSTER = "this configuration has no cluster: name one that has, such as ENV=staging"
DOCKER = Path("~/.docker/config.json")
Finding = Callable[[Settings, Kubeflow], str]


def checks() -> list[Check]:
    """Rows for the doctor's table; none for a configuration without a cluster."""
    try:
        loaded = configuration.load()
    except UserError:
        return []  # the row `configuration` says why
    kubeflow = loaded.kubeflow
    if kubeflow is None:
        return []
    return [(name, _bound(run, loaded, kubeflow), needed) for name, run, needed in ROWS]


def _bound(run: Finding, loaded: Settings, kubeflow: Kubeflow) -> Callable[[], str]:
    return lambda: run(loaded, kubeflow)


def check_access(loaded: Settings) -> Kubeflow:
    """The cluster's section, or a UserError that says what its address or its login lacks."""
    if loaded.kubeflow is None:
        raise UserError(NO_CLUSTER)
    kubeflow: Kubeflow = loaded.kubeflow
    _endpoint(loaded, kubeflow)
    _login(loaded, kubeflow)
    return kubeflow


def problems(loaded: Settings) -> list[str]:
    """What makes a run on the cluster fail for sure, one line each."""
    kubeflow = loaded.kubeflow
    if kubeflow is None:
        return [NO_CLUSTER]
    found = []
    for run in (_endpoint, _login, _image, _bucket, _tracking, _data, _store):
        try:
            run(loaded, kubeflow)
        except UserError as error:
            found.append(str(error))
    return found


def _endpoint(loaded: Settings, kubeflow: Kubeflow) -> str:
    if kubeflow.endpoint is None or EXAMPLE.search(kubeflow.endpoint):
        raise UserError(
            "kubeflow.endpoint is not set: ask who runs your Kubeflow, or `kubectl port-forward -n "
            "kubeflow svc/ml-pipeline 8888` and http://127.0.0.1:8888"
        )
    if kubeflow.ca and not kubeflow.ca.expanduser().is_file():
        raise UserError(f"kubeflow.ca: there is no file {kubeflow.ca}")
    return kubeflow.endpoint


def _login(loaded: Settings, kubeflow: Kubeflow) -> str:
    if kubeflow.auth in ("token", "in-cluster") and not kubeflow.token():
        pod = IN_CLUSTER_TOKEN if kubeflow.auth == "in-cluster" else f"${KUBEFLOW_TOKEN}"
        source = kubeflow.token_file or pod
        raise UserError(
            f"kubeflow.auth is {kubeflow.auth}, and there is no token in {source}: `kubectl create "
            "token NAME --audience pipelines.kubeflow.org` makes one"
        )
    if kubeflow.auth == "cookie" and not kubeflow.cookie():
        raise UserError(
            f"kubeflow.auth is cookie, and ${KUBEFLOW_COOKIE} is empty: log in with a browser, and "
            "copy the cookie of the session from its developer tools"
        )
    if kubeflow.auth == "iap" and not os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        raise UserError(
            "kubeflow.auth is iap, and $GOOGLE_APPLICATION_CREDENTIALS names no key of a service "
            "account: make one that may pass the proxy"
        )
    return f"auth {kubeflow.auth}"


def _namespace(loaded: Settings, kubeflow: Kubeflow) -> str:
    if kubeflow.namespace is None:
        raise UserError(
            "kubeflow.namespace is not set: right for an installation for one team; else it is "
            "your profile's, which the dashboard shows at its top"
        )
    return kubeflow.namespace


def _image(loaded: Settings, kubeflow: Kubeflow) -> str:
    if loaded.pipeline.image:
        return str(loaded.pipeline.image)
    image = images.recorded().get("pipeline")
    if image is None or not image.pushed:
        raise UserError(
            "the cluster pulls the image from a registry: `make images`, then "
            "`make push REGISTRY=registry.example.com/team`"
        )
    if image.code != fingerprint():
        raise UserError(
            f"the code is no longer that of {image.reference}: `make images` and `make push` again"
        )
    return image.pushed


def _registry(loaded: Settings, kubeflow: Kubeflow) -> str:
    image = images.recorded().get("pipeline")
    wanted = loaded.images.registry or (image and image.pushed) or loaded.pipeline.image
    host = (wanted or "").split("/")[0]
    if not host:
        raise UserError("images.registry is not set: `make push REGISTRY=…` takes one, too")
    try:
        known = json.loads(DOCKER.expanduser().read_text())
    except (OSError, ValueError):
        known = {}
    names = [*known.get("auths", {}), *known.get("credHelpers", {})]
    if known.get("credsStore") or any(host in name for name in names):
        return f"logged in to {host}"
    raise UserError(f"no login to {host} in {DOCKER}: `docker login {host}`")


def _tracking(loaded: Settings, kubeflow: Kubeflow) -> str:
    uri = str(loaded.registry.tracking_uri)
    parts = urlsplit(uri)
    if EXAMPLE.search(uri):
        raise UserError("registry.tracking_uri is still the example's: name your MLflow server")
    if HERE.fullmatch(parts.hostname or ""):
        raise UserError(
            f"registry.tracking_uri is {uri}, on this machine: steps on a cluster need a server"
        )
    return uri


def _bucket(loaded: Settings, kubeflow: Kubeflow) -> str:
    root = kubeflow.pipeline_root
    if root is None:
        return "the installation's own bucket (kubeflow.pipeline_root)"
    if EXAMPLE.search(root):
        raise UserError("kubeflow.pipeline_root is still the example's: name your bucket, or none")
    if urlsplit(root).scheme not in STORES:
        raise UserError(f"kubeflow.pipeline_root is {root}: Kubeflow takes {', '.join(STORES)}")
    return root


def _objects(loaded: Settings, kubeflow: Kubeflow) -> str:
    needed = STORES.get(urlsplit(kubeflow.pipeline_root or "").scheme, ())
    step = loaded.pipeline.every
    given = {*step.variables, *(name for keys in step.secrets.values() for name in keys.values())}
    missing = [name for name in needed if name not in given]
    if missing and not kubeflow.service_account:
        raise UserError(
            f"steps are given no {' and '.join(missing)}: right while Kubeflow's own ConfigMap "
            "kfp-launcher opens the bucket, and no step does; else name a Secret in "
            "pipeline.every.secrets, or a kubeflow.service_account that the cloud knows"
        )
    return f"service account {kubeflow.service_account}" if missing else ", ".join(needed) or "–"


def _data(loaded: Settings, kubeflow: Kubeflow) -> str:
    if only_here := loaded.data.only_here():
        raise UserError(only_here)
    return f"source {loaded.data.source}"


def _store(loaded: Settings, kubeflow: Kubeflow) -> str:
    if loaded.serving.store is not None:
        raise UserError(
            f"serving.store is {loaded.serving.store}: a folder in a pod is gone with it; leave it "
            "unset here, and the champion in the registry is what is deployed"
        )
    return "the registry's champion"


ROWS: list[tuple[str, Finding, bool]] = [
    ("Kubeflow", _endpoint, True),
    ("login", _login, True),
    ("namespace", _namespace, False),
    ("pipeline's image", _image, True),
    ("image registry", _registry, False),
    ("artifacts", _bucket, True),
    ("credentials of steps", _objects, False),
    ("tracking server", _tracking, True),
    ("data", _data, True),
    ("deployment", _store, True),
]
