"""What Flux applies of a rendered project: clusters/ and infrastructure/, built by kustomize."""

import itertools
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from support import manifests, questions
from support.manifests import Object

ENVIRONMENTS = ("staging", "production")
# Parts that a line switches on.
OPTIONAL = ("notifications", "receiver", "image-updates", "registry")
# What no file has: bootstrap's, the API server's, cert-manager's and those that charts make.
MADE = {
    ("GitRepository", "flux-system", "flux-system"),
    ("Kustomization", "flux-system", "flux-system"),
    ("Service", "flux-system", "webhook-receiver"),
    ("ConfigMap", "secrets", "kube-root-ca.crt"),
    ("Secret", "cert-manager", "root"),
    ("ServiceAccount", "mlflow", "mlflow"),
    ("Service", "mlflow", "mlflow"),
    ("Service", "monitoring", "kube-prometheus-stack-grafana"),
}


def answers() -> list[dict[str, Any]]:
    """The answers of a project for every combination of what clusters/ and infrastructure/ hold."""
    keys = ("platform", "cloud", "serving_platform", "gitops", "observability")
    rows = questions.combinations(*keys)
    return [row for row in rows if row["platform"] == "kubeflow" and row["gitops"] == "flux"]


def kustomizations(project: Path, environment: str) -> list[Object]:
    """Flux's Kustomizations of a cluster: those that bootstrap's own one applies."""
    files = sorted((project / "clusters" / environment).rglob("*.yaml"))
    return [each for file in files for each in manifests.objects(file.read_text())]


def built(project: Path, environment: str) -> dict[str, list[Object]]:
    """What each of them applies, by its name."""
    return {
        each["metadata"]["name"]: manifests.objects(manifests.build(project / each["spec"]["path"]))
        for each in kustomizations(project, environment)
    }


def optional(project: Path) -> list[Object]:
    """The objects of the parts that are switched off as rendered."""
    folders = [project / "infrastructure/configs" / name for name in OPTIONAL]
    there = [folder for folder in folders if folder.exists()]
    return [each for folder in there for each in manifests.objects(manifests.build(folder))]


def group(thing: Object) -> str:
    return str(thing["apiVersion"]).rpartition("/")[0]


def nodes(
    value: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value of a tree and the way to it, YAML and JSON in its texts included."""
    yield path, value
    if isinstance(value, str) and ":" in value and ("\n" in value or value.startswith("{")):
        value = _parsed(value)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from nodes(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from nodes(inner, (*path, at))


@cache
def _parsed(text: str) -> Any:
    """The YAML or JSON of a text, to be read only; None if it is none."""
    try:
        return yaml.load(text, manifests.LOADER)
    except yaml.YAMLError:
        return None


def loose_ends(objects: list[Object]) -> list[str]:
    """The references that lead to no object, to no Secret that an ExternalSecret makes."""
    there = MADE | {
        _key(each["kind"], namespace(each), each["metadata"]["name"]) for each in objects
    }
    for each in objects:
        if each["kind"] == "ExternalSecret":
            there.add(("Secret", namespace(each), each["metadata"]["name"]))
        if each["kind"] == "Gateway":
            for listener in each["spec"]["listeners"]:
                there.add(("Listener", namespace(each), listener["name"]))
    return [
        f"{each['kind']} {each['metadata']['name']}: no {kind} {space}/{name}"
        for each in objects
        for kind, space, name in references(each)
        if _key(kind, space, name) not in there
    ]


CLUSTER_WIDE = {"ClusterIssuer", "ClusterSecretStore", "GatewayClass", "Namespace", "StorageClass"}


def _key(kind: str, space: str, name: str) -> tuple[str, str, str]:
    return kind, "" if kind in CLUSTER_WIDE else space, name


def namespace(thing: Object) -> str:
    """Where an object is; "" for one of the whole cluster."""
    return str(thing["metadata"].get("namespace", ""))


def references(thing: Object) -> Iterator[tuple[str, str, str]]:
    """Kind, namespace and name of what an object needs, as far as its cluster would miss it."""
    own, spec = namespace(thing), thing.get("spec", {})
    for path, value in nodes(spec):
        last = path[-1] if path else ""
        if not isinstance(value, dict) or value.get("optional"):
            continue
        # A patch is of another Kustomization's objects.
        home = "kubeflow" if "patches" in path else own
        name, space = value.get("name"), value.get("namespace", home)
        if last in ("sourceRef", "chartRef", "secretStoreRef", "issuerRef"):
            yield value["kind"], space, name
        elif last in ("secretRef", "secretKeyRef"):
            yield "Secret", space, name
        elif last in ("configMapRef", "configMapKeyRef", "configMap"):
            yield "ConfigMap", space, name
        elif last in ("providerRef", "imageRepositoryRef"):
            yield {"providerRef": "Provider"}.get(str(last), "ImageRepository"), space, name
        elif "dependsOn" in path[-2:]:
            yield thing["kind"], space, name
        elif "valuesFrom" in path[-2:]:
            yield value["kind"], own, name
        elif "parentRefs" in path[-2:]:
            yield "Gateway", space, name
            yield "Listener", space, value["sectionName"]
        elif "backendRefs" in path[-2:]:
            yield "Service", space, name
        elif last == "ca":
            yield "Secret", "cert-manager", value["secretName"]
        elif last == "caProvider":
            yield value["type"], space, name
        elif last == "serviceAccount" and name and thing["kind"] == "ClusterSecretStore":
            yield "ServiceAccount", space, name
    for path, value in nodes([spec, thing.get("data")]):  # of a chart's values
        if re.match(r"existing\w*Secret$", str(path[-1:] and path[-1])) and value:
            yield "Secret", own, value["name"] if isinstance(value, dict) else value
    for account in (value for path, value in nodes(spec) if path[-1:] == ("serviceAccountName",)):
        yield "ServiceAccount", own, account
    if thing["kind"] == "Gateway":
        yield "GatewayClass", "", spec["gatewayClassName"]
        issuer = thing["metadata"]["annotations"]["cert-manager.io/cluster-issuer"]
        yield "ClusterIssuer", "", issuer
    if own and own != "flux-system":
        yield "Namespace", "", own


def unsteady(thing: Object) -> list[str]:
    """What an object of Flux leaves to chance: how often, how long, and which version."""
    spec, kind, name = thing.get("spec", {}), thing["kind"], thing["metadata"]["name"]
    needed = {
        "Kustomization": ("interval", "retryInterval", "timeout", "prune", "wait"),
        "HelmRelease": ("interval", "timeout", "install", "upgrade", "driftDetection"),
        "GitRepository": ("interval", "timeout", "ref"),
        "HelmRepository": ("interval", "timeout"),
        "OCIRepository": ("interval", "timeout", "ref", "layerSelector"),
    }.get(kind, ())
    missing = [f"{kind} {name}: no {key}" for key in needed if not spec.get(key)]
    if kind == "Kustomization" and "postBuild" in spec:
        missing.append(f"{kind} {name}: postBuild fails on each dollar and brace of a script")
    versions = [spec["ref"].get("tag")] if kind in ("OCIRepository", "GitRepository") else []
    versions += [spec["chart"]["spec"].get("version")] if "chart" in spec else []
    for version in versions:
        if not re.fullmatch(r"v?\d+\.\d+\.\d+", str(version)):
            missing.append(f"{kind} {name}: {version} is not one version")
    if kind == "HelmRelease" and not missing:
        if spec["install"]["strategy"]["name"] != "RetryOnFailure":
            missing.append(f"{kind} {name}: a first installation is given up")
        if spec["upgrade"]["remediation"] != {
            "retries": 2,
            "strategy": "rollback",
            "remediateLastFailure": True,
        }:
            missing.append(f"{kind} {name}: a failed upgrade stays")
        ignored = itertools.chain(*(each["paths"] for each in spec["driftDetection"]["ignore"]))
        if spec["driftDetection"]["mode"] != "enabled" or "/spec/replicas" not in ignored:
            missing.append(f"{kind} {name}: drift is kept, or autoscalers are fought")
    return missing


def unpinned(thing: Object) -> list[str]:
    """The images that are no single version."""
    images = [value for path, value in nodes(thing.get("spec", {})) if path[-1:] == ("image",)]
    containers = [
        each for each in images if isinstance(each, str) and group(thing) in ("apps", "batch")
    ]
    return [each for each in containers if not re.search(r":\d+\.\d+(\.\d+)?$|@sha256:", each)]


WORDS = re.compile(
    r"(pass|passwd|password|token|secret|credential|(access|secret|api|private).?key)$", re.I
)
REFERENCES = {"remoteRef", "secretRef", "secretKeyRef", "target"}


def secrets(objects: list[Object]) -> list[str]:
    """What would be a secret in Git: a Secret, a value under a name like a password's, a key."""
    found = [f"Secret {each['metadata']['name']}" for each in objects if each["kind"] == "Secret"]
    for each in objects:
        for path, value in nodes(each):
            if not isinstance(value, str) or not value or REFERENCES & set(path):
                continue
            key = str(path[-1]) if path else ""
            reference = key.startswith("existing") or (key == "secretKey" and "data" in path)
            named = WORDS.search(key) and not reference
            if named or "PRIVATE KEY" in value or re.search(r"minio123|AKIA[0-9A-Z]{16}", value):
                found.append(
                    f"{each['kind']} {each['metadata']['name']}: {'.'.join(map(str, path))}"
                )
    return found
