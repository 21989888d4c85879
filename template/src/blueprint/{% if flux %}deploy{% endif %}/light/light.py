"""`make cluster`: bring the parts of infrastructure/light up and follow them; delete them again."""

import json
import secrets
import time
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import typer
import yaml
from kubernetes import config
from kubernetes.config.config_exception import ConfigException

from ...errors import UserError
from ...settings import Settings
from .. import kubectl
from ..connection import MANAGER, Cluster, Object
from ..deployment import configured, say
from ..git.stack.parts import Part, report
from ..pods import of_template, read
from ..rollout import complete, condition
from . import machine

FOLDER, KEPT = Path("infrastructure/light"), Path("build/light")
INDEX = FOLDER / "kustomization.yaml"
OWNER, PART, VERSION, GENERATED = (
    f"light.blueprint/{each}" for each in ("cluster", "part", "version", "generated")
)
NODE_PORTS = {"mlflow": 30502, "ml-pipeline-ui": 30082}  # of the Services that this machine reaches
BUILD_SECONDS, DELETE_SECONDS, EVERY = 900, 300, 2.0


def up(settings: Settings, context: str, seconds: float) -> int:
    """Bring the parts up, on the cluster of a context or on this machine's own, which is made.

    Returns 0 when all are ready within the seconds, else 1. Raises UserError.
    """
    addresses = {
        "mlflow": settings.registry.tracking_uri,
        "ml-pipeline-ui": settings.kubeflow.endpoint,
    }
    here, own = {name: urlsplit(each).port or 80 for name, each in addresses.items()}, not context
    if own:
        tool, name, there = machine.find(_name())
        ports = {here[name]: node for name, node in NODE_PORTS.items()}
        context = machine.create(tool, name, there, settings.images.registry or "", ports)
    cluster, objects = _open(settings, context), _build()
    print(f"context {context}", flush=True)
    services = {each["metadata"]["name"]: each for each in objects if each["kind"] == "Service"}
    reached = {name: services[name] for name in NODE_PORTS if name in services}
    for name, each in reached.items() if own else ():  # of a node that only this machine reaches
        each["spec"]["type"] = "NodePort"
        each["spec"]["ports"][0]["nodePort"] = NODE_PORTS[name]
    _apply(cluster, objects)
    if report(_follow(cluster, objects, seconds)):
        return 1
    for name, each in reached.items():
        print(f"{name:<15} {addresses[name]}")
        if not own:
            print(
                f"  kubectl --context={context} -n {each['metadata']['namespace']} port-forward "
                f"svc/{name} {here[name]}:{each['spec']['ports'][0]['port']} &"
            )
    if settings.deploy.context != context:
        print(f"config/light.yaml: deploy.context is {settings.deploy.context}: say {context}")
    run = "submit ENV=light WAIT=1" if "ml-pipeline-ui" in reached else "run ENV=light"
    print("next:", "make images push ENV=light", f"make {run}", "make deploy ENV=light", sep="\n  ")
    return 0


def down(settings: Settings, context: str, *, ask: bool) -> None:
    """Delete the cluster that was made here, or of another one what has this project's label."""
    if context:
        return _remove(_open(settings, context), ask)
    tool, name, there = machine.find(_name())
    if not there:
        raise UserError(f"there is no {tool} cluster {name}; another cluster: CONTEXT=…")
    print(f"the {tool} cluster {name} with all its models and runs, and its registry")
    if ask:
        typer.confirm("Delete this?", abort=True)
    return machine.delete(tool, name)


def _name() -> str:
    """Whose the objects are: the label that all of them get."""
    return str(yaml.safe_load(INDEX.read_text())["labels"][0]["pairs"][OWNER])


def _open(settings: Settings, context: str) -> Cluster:
    try:
        contexts = [each["name"] for each in config.list_kube_config_contexts()[0]]
    except ConfigException as error:
        raise UserError(f"CONTEXT={context}: no kubeconfig ({error}): set KUBECONFIG") from None
    if context not in contexts:
        there = ", ".join(contexts)
        raise UserError(f"CONTEXT={context}: the kubeconfig has no such context; it has {there}")
    deploy = configured(settings).model_copy(update={"context": context})
    return Cluster(config.new_client_from_config(context=context), deploy)


def _build() -> list[Object]:
    """The objects of the parts. What is on GitHub is fetched once for the same files."""
    files = [*FOLDER.rglob("*.*"), *Path("deploy/rbac").rglob("*.yaml")]
    kept = (
        KEPT / f"{sha256(b''.join(file.read_bytes() for file in sorted(files))).hexdigest()}.json"
    )
    if not kept.exists():
        print("building infrastructure/light (the first time it fetches from GitHub) …", flush=True)
        kept.parent.mkdir(parents=True, exist_ok=True)
        built = list(yaml.safe_load_all(kubectl.build(FOLDER, BUILD_SECONDS)))
        kept.with_suffix(".new").write_text(json.dumps(built))
        kept.with_suffix(".new").replace(kept)
    objects: list[Object] = json.loads(kept.read_text())
    return objects


def _apply(cluster: Cluster, objects: list[Object]) -> None:
    """Have the cluster have them; passwords are made once. What others made is left alone."""
    asked = ("get", "--filename=-", "--ignore-not-found", "--output=json")
    live = _items(kubectl.call(cluster.deploy, *asked, text=_list(objects)))
    for each in live:
        if each["metadata"].get("labels", {}).get(OWNER) != _name():
            raise UserError(
                f"{each['kind']} {each['metadata']['name']} is on this cluster, and not of this "
                f"project's `make cluster`: put a # before its part in {INDEX}"
            )
    there = {_key(each) for each in live}
    wanted = [each for each in objects if _key(each) not in there or not _passwords(each)]
    for each in wanted:
        made = {key: secrets.token_urlsafe(24) for key in _passwords(each)}
        each |= {"stringData": each.get("stringData", {}) | made} if made else {}
    ours = ("--server-side", "--force-conflicts", f"--field-manager={MANAGER}", "--filename=-")
    kubectl.call(cluster.deploy, "apply", *ours, text=_list(wanted))


def _follow(cluster: Cluster, objects: list[Object], seconds: float) -> list[Part]:
    """Look until every part is ready or the seconds are over; say what changes."""
    end, shown = time.monotonic() + seconds, set[str]()
    while True:
        found = _look(cluster, objects)
        lines = [f"{part.name}: {part.why or part.state}" for part in found]
        for line in lines:
            if line not in shown:
                say(line)
        shown = {*lines}
        if all(part.state == "ready" for part in found) or time.monotonic() > end:
            return found
        time.sleep(EVERY)


def _look(cluster: Cluster, objects: list[Object]) -> list[Part]:
    """Each part, whether its Deployments are ready, and what keeps the first that is not."""
    query = {"labelSelector": f"{OWNER}={_name()}"}
    listed = cluster.items("/apis/apps/v1/deployments", **query)
    live = {_key({"kind": "Deployment"} | each): each for each in listed}
    parts: dict[tuple[str, str], list[Object]] = {}
    for each in objects:
        labels = each["metadata"]["labels"]
        parts.setdefault((labels[PART], labels.get(VERSION, "–")), []).append(each)
    found = []
    for (part, version), its in parts.items():
        wanted = [_key(each) for each in its if each["kind"] == "Deployment"]
        late = [each for each in wanted if not complete(live.get(each))]
        reasons = [_reason(cluster, each, live.get(each)) for each in late]
        first = max(reasons, key=lambda each: each[0], default=(False, ""))[1]
        why = f"{len(wanted) - len(late)} of {len(wanted)} ready; {first}" if late else ""
        found.append(Part("", part, version, "waiting" if late else "ready", why))
    return found


def _reason(
    cluster: Cluster, key: tuple[str, str, str], deployment: Object | None
) -> tuple[bool, str]:
    """Whether something is wrong with a Deployment that is not ready, and what it waits for."""
    _, namespace, name = key
    if deployment is None:
        return True, f"Deployment {name} is not there"
    if rejected := condition(deployment, "ReplicaFailure").get("message"):
        return True, f"{name}: {' '.join(rejected.split())}"
    there = Cluster(cluster.client, cluster.deploy.model_copy(update={"namespace": namespace}))
    pods = [read(there, each) for each in of_template(there, deployment)]
    trouble = [pod.trouble for pod in pods if pod.trouble]
    states = [f"{name} {pod.state}" for pod in pods if not pod.ready]
    return bool(trouble), (trouble or states or [f"{name} starts"])[0]


def _remove(cluster: Cluster, ask: bool) -> None:
    """Say what on the cluster has the label, and delete it."""
    names = ("api-resources", "--verbs=list,delete", "--output=name")
    kinds = ",".join(kubectl.call(cluster.deploy, *names).split())
    asked = ("get", kinds, "--all-namespaces", f"--selector={OWNER}={_name()}", "--output=json")
    live = [
        each
        for each in _items(kubectl.call(cluster.deploy, *asked, "--ignore-not-found"))
        if not each["metadata"].get("ownerReferences")
    ]
    spaces = {each["metadata"]["name"] for each in live if each["kind"] == "Namespace"}
    own = [each for each in live if each["metadata"].get("namespace") not in spaces]
    if not own:
        raise UserError(f"context {cluster.deploy.context} has nothing of `make cluster`")
    for each in sorted(own, key=_key):
        inside = " and everything in it" if each["kind"] == "Namespace" else ""
        print(f"{each['kind']} {each['metadata']['name']}{inside}")
    if ask:
        typer.confirm("Delete this?", abort=True)
    waits = ("delete", "--filename=-", "--ignore-not-found", f"--timeout={DELETE_SECONDS}s")
    text = _list(own)
    kubectl.call(cluster.deploy, *waits, text=text, seconds=DELETE_SECONDS + 30)


def _key(each: Object) -> tuple[str, str, str]:
    meta = each["metadata"]
    return each["kind"], meta.get("namespace", ""), meta["name"]


def _passwords(each: Object) -> list[str]:
    """The keys of a Secret whose values are made on the cluster."""
    named = each["metadata"].get("annotations", {}).get(GENERATED, "")
    return [key for key in named.split(",") if key]


def _list(objects: list[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def _items(text: str) -> list[Object]:
    found: Object = json.loads(text or '{"items": []}')
    items: list[Object] = found.get("items", [found])
    return items
