"""The connection to the cluster, from a laptop or from a pod; what goes wrong, in one line.

Both speak to the API with the library `kubernetes`, which kfp brings. Objects are what its JSON
says: nested dictionaries.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import urllib3
from kubernetes import client as api
from kubernetes import config
from kubernetes.config.config_exception import ConfigException

from ..errors import UserError
from .rules import way_out
from .settings import Deploy

MANAGER = "blueprint"  # who owns the fields that are written
SECONDS = (5, 30)  # until a connection, and an answer
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
Object = dict[str, Any]
FORBIDDEN = re.compile(r'User "(.*?)" cannot (\w+) resource "([\w./]+)"(.* in the namespace )?')


class ConnectionProblem(UserError):
    """A cluster that cannot be reached, or does not do what was asked."""


class Cluster:
    """The API of a cluster, for the objects of one namespace."""

    def __init__(self, client: api.ApiClient, deploy: Deploy) -> None:
        self.client, self.deploy = client, deploy
        self.namespace = deploy.namespace

    def path(self, version: str, plural: str, name: str = "") -> str:
        """The address of objects of this namespace: path("apps/v1", "deployments", "digits")."""
        root = "/api/v1" if version == "v1" else f"/apis/{version}"
        return f"{root}/namespaces/{self.namespace}/{plural}{f'/{name}' if name else ''}"

    def get(self, path: str, **query: str) -> Object | None:
        """What is there, or None. Raises ConnectionProblem."""
        with self.errors():
            try:
                found: Object = self._call("GET", path, query)
            except api.ApiException as error:
                if error.status != 404:
                    raise
                return None
        return found

    def items(self, path: str, **query: str) -> list[Object]:
        """Those of a list; none where they may not be read: they only help to explain."""
        with self.errors():
            try:
                return list(self._call("GET", path, query)["items"])
            except api.ApiException as error:
                if error.status not in (403, 404):
                    raise
                return []

    def patch(self, path: str, body: Any, kind: str = MERGE) -> Object:
        """Change what is there by a merge patch, or by a JSON patch. Raises ConnectionProblem."""
        with self.errors():
            changed: Object = self._call("PATCH", path, {"fieldManager": MANAGER}, body, kind)
            return changed

    def apply(self, path: str, wanted: Object, manager: str = MANAGER) -> Object:
        """Create it or change it, on the server's side. Raises ConnectionProblem."""
        with self.errors():
            query = {"fieldManager": manager}
            changed: Object = self._call("PATCH", path, query, wanted, APPLY)
            return changed

    def read(self, path: str) -> str:
        """The text at that address; "" where nothing answers. Raises ConnectionProblem."""
        with self.errors():
            try:
                return self._text(path, {})
            except api.ApiException as error:
                if error.status not in (404, 500, 502, 503, 504):
                    raise
                return ""

    def delete(self, path: str) -> None:
        """Delete what is there, if it is. Raises ConnectionProblem."""
        with self.errors():
            try:
                self._call("DELETE", path, {"propagationPolicy": "Background"})
            except api.ApiException as error:
                if error.status != 404:
                    raise

    def may(self, verb: str, group: str, resource: str) -> bool:
        """Whether the login may do this in the namespace; the cluster is asked, nothing is done."""
        resource, _, part = resource.partition("/")
        asked = {"verb": verb, "group": group, "resource": resource, "subresource": part}
        review = {"spec": {"resourceAttributes": asked | {"namespace": self.namespace}}}
        with self.errors():
            answer = self._call("POST", REVIEWS, {}, review, "application/json")
        return bool(answer["status"]["allowed"])

    def log(self, pod: str, container: str, *, previous: bool = False, lines: int = 5) -> str:
        """The last lines that a container printed; "" where there are none or they are not ours."""
        query = {"container": container, "tailLines": str(lines), "previous": str(previous).lower()}
        try:
            return str(self._text(self.path("v1", "pods", pod) + "/log", query)).strip()
        except (api.ApiException, urllib3.exceptions.HTTPError):
            return ""

    def ask(self, service: str, path: str) -> tuple[int, str]:
        """Status and body of a GET to a service, `NAME:PORT`, through the API; 0 is no answer."""
        at = f"{self.path('v1', 'services', service)}/proxy/{path.lstrip('/')}"
        try:
            return 200, self._text(at, {})
        except api.ApiException as error:
            return int(error.status or 0), str(error.body or error.reason)
        except urllib3.exceptions.HTTPError as error:
            return 0, str(error)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Say in one line what a failed request means."""
        host = self.client.configuration.host
        try:
            yield
        except api.ApiException as error:
            raise ConnectionProblem(explain(_message(error), self.deploy, error.status)) from None
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            text = re.sub(r"^<.*?>: |\[.*?\] ", "", " ".join(str(reason).split()))[:200]
            raise ConnectionProblem(
                f"the cluster at {host} does not answer ({text}): is it up, is the VPN on?"
            ) from None
        except ConfigException as error:  # a program that logs in, named by the kubeconfig
            raise ConnectionProblem(f"no login to {host}: {error}") from None

    def _text(self, path: str, query: Mapping[str, str]) -> str:
        answer = self._raw("GET", path, query)
        return bytes(answer.data).decode(errors="replace")

    def _call(
        self, method: str, path: str, query: Mapping[str, str], body: Any = None, kind: str = ""
    ) -> Any:
        return json.loads(self._raw(method, path, query, body, kind).data)

    def _raw(
        self, method: str, path: str, query: Mapping[str, str], body: Any = None, kind: str = ""
    ) -> Any:
        return self.client.call_api(
            path,
            method,
            query_params=[*query.items()],
            header_params={"Accept": "*/*"} | ({"Content-Type": kind} if kind else {}),
            body=body,
            auth_settings=["BearerToken"],
            _preload_content=False,
            _return_http_data_only=True,
            _request_timeout=SECONDS,
        )


def from_here(deploy: Deploy) -> Cluster:
    """The cluster of the kubeconfig's current context, which must be the configured one.

    Raises ConnectionProblem where it is another, where nobody answers, or without the namespace.
    """
    try:
        contexts, current = config.list_kube_config_contexts()
    except ConfigException as error:
        raise ConnectionProblem(
            f"no kubeconfig ({error}): set KUBECONFIG to the file of your cluster's context "
            f"{deploy.context}, or put it at ~/.kube/config"
        ) from None
    names = [each["name"] for each in contexts]
    if deploy.context not in names:
        raise ConnectionProblem(
            f"deploy.context is {deploy.context}, and the kubeconfig has no such context; there "
            f"are {', '.join(names)}"
        )
    if current["name"] != deploy.context:
        raise ConnectionProblem(
            f"the kubeconfig's current context is {current['name']}, and deploy.context is "
            f"{deploy.context}: `kubectl config use-context {deploy.context}` first"
        )
    try:
        client = config.new_client_from_config(context=deploy.context)
    except (ConfigException, OSError) as error:
        raise ConnectionProblem(f"the context {deploy.context} cannot be used: {error}") from None
    client.configuration.retries = 1
    cluster = Cluster(client, deploy)
    _check_namespace(cluster)
    return cluster


def offline(deploy: Deploy) -> Cluster:
    """A cluster that is never asked."""
    return Cluster(api.ApiClient(api.Configuration()), deploy)


def in_pod(deploy: Deploy) -> Cluster:
    """The cluster that this pod runs on, with the pod's service account."""
    settings = api.Configuration()
    try:
        config.load_incluster_config(settings)
    except ConfigException as error:
        raise ConnectionProblem(f"this is no pod with a service account: {error}") from None
    return Cluster(api.ApiClient(settings), deploy)


def explain(message: str, deploy: Deploy, status: int | None = None) -> str:
    """What an error of the API means and what to do, in one line."""
    message = " ".join(message.split())[:500]
    if found := FORBIDDEN.search(message):
        who, verb, what, scope = found.groups()
        where = f" in namespace {deploy.namespace}" if scope else ""
        return f"{who} may not {verb} {what}{where}: ask who runs the cluster for a Role with that"
    if found := re.search(r'namespaces "(.+?)" not found', message):
        create = f"`kubectl create namespace {found[1]}`, or correct deploy.namespace"
        return f"there is no namespace {found[1]}: {create}"
    if found := re.search(r'no matches for kind "(\w+)" in version "(\S+)"', message):
        return f"the cluster does not know {found[1]} ({found[2]}): its CRDs are not installed"
    if status == 401 or "must be logged in" in message or "Unauthorized" in message:
        return f"the login of context {deploy.context} is not accepted: log in again"
    return f"the cluster rejects it: {message}{way_out(message)}"


def _check_namespace(cluster: Cluster) -> None:
    """Raise ConnectionProblem where the namespace is missing; who may not look is not stopped."""
    try:
        there = cluster.get(f"/api/v1/namespaces/{cluster.namespace}")
    except ConnectionProblem as error:
        if " may not get namespaces" in str(error):
            return
        raise
    if there is None:
        raise ConnectionProblem(
            explain(f'namespaces "{cluster.namespace}" not found', cluster.deploy)
        )


def _message(error: api.ApiException) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (ValueError, TypeError, KeyError):
        return str(error.body or error.reason)
