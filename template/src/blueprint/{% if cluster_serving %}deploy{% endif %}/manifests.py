"""What is applied: the overlay of the environment, pinned to a version and to an image.

`build/deploy/<env>/kustomization.yaml` says what the configuration adds to the overlay, and is all
that does: `kubectl apply -k` of that folder is the same deployment.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from .. import rooms
from ..errors import UserError
from ..settings import Settings
from ..targets import images
from ..targets.facts import fingerprint
from ..targets.model_image import KIND as MODEL
from . import kubectl
from .connection import Object
from .pin import Pin, mounted
from .platform import Platform
from .settings import Deploy, selected

OVERLAYS, BUILD = Path("deploy/overlays"), Path("build/deploy")


def build(settings: Settings, served: Platform, pin: Pin) -> str:
    """The manifests of that version, as YAML. Raises UserError for what is missing or wrong."""
    folder = BUILD / selected()
    folder.mkdir(parents=True, exist_ok=True)
    head = "# Written by make deploy and make manifests.\n"
    for name, text in files(settings, served, pin, folder, head).items():
        (folder / name).write_text(text)
    return kubectl.build(folder)


def files(
    settings: Settings, served: Platform, pin: Pin, folder: Path, head: str
) -> dict[str, str]:
    """What `folder` is to hold, by name, so that `kubectl apply -k` of it deploys the version: the
    kustomization, which begins with `head`, and what other rooms have applied with the server."""
    environment, deploy = selected(), served.cluster.deploy
    overlay = OVERLAYS / environment
    if not (overlay / "kustomization.yaml").exists():
        there = sorted(path.name for path in OVERLAYS.glob("*") if path.is_dir())
        raise UserError(f"there is no {overlay}: ENV is one of {', '.join(there)}, or add a folder")
    objects = list(yaml.safe_load_all(kubectl.build(overlay)))
    beside = [each for room in rooms("beside") for each in room.objects(settings, served.name)]
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [
            str(Path("../" * len(folder.parts)) / overlay),
            *(["beside.yaml"] if beside else []),
        ],
        "namespace": deploy.namespace,
        "images": [*_images(settings), *_model(objects, overlay, pin)],
        "patches": [
            _pin(served, objects, overlay, pin),
            *_gateway(deploy, objects, overlay),
            *_without_fetch(objects),
        ],
    }
    written = {"kustomization.yaml": head + yaml.safe_dump(content, sort_keys=False, width=10_000)}
    if beside:
        written["beside.yaml"] = yaml.safe_dump_all(beside, sort_keys=False)
    return written


def unpushed() -> list[str]:
    """The kinds of images that the cluster needs and no registry has."""
    built = images.recorded()
    needed = [kind for kind in images.kinds_here() if kind != "pipeline"]
    return [kind for kind in needed if kind not in built or not built[kind].pushed]


def _images(settings: Settings) -> list[dict[str, str]]:
    """Each image, which manifests call by its kind, by the digest that was pushed."""
    built = images.recorded()
    if missing := unpushed():
        registry = settings.images.registry or "registry.example.com/team"
        raise UserError(
            f"the cluster pulls the {missing[0]} image from a registry: `make images`, then "
            f"`make push REGISTRY={registry}`"
        )
    serving = built["serving"]
    if serving.code != fingerprint():
        old = f"{serving.reference} is of other code than the project's: `make images push`"
        print(f"warning: {old}", file=sys.stderr)
    return [_pinned(kind, built[kind].pushed) for kind in images.kinds_here() if kind != "pipeline"]


def _pinned(kind: str, pushed: str) -> dict[str, str]:
    name, _, digest = pushed.partition("@")
    return {"name": kind, "newName": name, "digest": digest}


def _model(objects: list[Object], overlay: Path, pin: Pin) -> list[dict[str, str]]:
    """The image of the version, where pods mount their model (deploy/components/model-image)."""
    if not _mounting(objects):
        return []
    if not pin.image:
        command = f"make model-image ENV={selected()} VERSION={pin.version}"
        raise UserError(
            f"{overlay} mounts the model as an image, and {pin} has none: `{command}` pushes it"
        )
    return [_pinned(MODEL, pin.image)]


def _mounting(objects: list[Object]) -> list[Object]:
    """The Deployments whose pods mount their model as an image."""
    return [each for each in objects if each["kind"] == "Deployment" and mounted(each) == MODEL]


def _without_fetch(objects: list[Object]) -> list[dict[str, Any]]:
    """The component takes the container that fetches away, and a patch of the overlay, which comes
    after it, makes a container again that has no image: that one goes."""
    found = []
    for each in _mounting(objects):
        first = each["spec"]["template"]["spec"].get("initContainers") or []
        changes = [
            {"op": "remove", "path": f"/spec/template/spec/initContainers/{number}"}
            for number in reversed(range(len(first)))
            if "image" not in first[number]
        ]
        if changes:
            target = {"kind": "Deployment", "name": each["metadata"]["name"]}
            found.append({"target": target, "patch": json.dumps(changes)})
    return found


def _pin(served: Platform, objects: list[Object], overlay: Path, pin: Pin) -> dict[str, Any]:
    """What pins the overlay's object to the version, as a patch of a kustomization."""
    named = [each["metadata"]["name"] for each in objects if each["kind"] == served.kind]
    for each in objects:
        if (each["kind"], each["metadata"]["name"]) == (served.kind, served.name):
            target = {"kind": served.kind, "name": served.name}
            return {"target": target, "patch": json.dumps(served.change(each, pin))}
    there = f"it has {', '.join(named)}: name it in deploy.name" if named else "it has none"
    raise UserError(f"{overlay} has no {served.kind} {served.name} (the model's name); {there}")


def _gateway(deploy: Deploy, objects: list[Object], overlay: Path) -> list[dict[str, Any]]:
    """What has the overlay's HTTPRoute belong to the configured Gateway."""
    routed = any(each["kind"] == "HTTPRoute" for each in objects)
    gateway = deploy.gateway
    if routed and gateway is None:
        raise UserError(f"{overlay} has an HTTPRoute: deploy.gateway must say of which Gateway")
    if gateway is None:
        return []
    if not routed:
        raise UserError(
            f"deploy.gateway is set, and {overlay} has no HTTPRoute: add "
            "../../components/httproute to its components, or remove deploy.gateway"
        )
    parent = [{"name": gateway.name, "namespace": gateway.namespace}]
    changes = [
        {"op": "add", "path": "/spec/parentRefs", "value": parent},
        {"op": "add", "path": "/spec/hostnames", "value": gateway.hostnames},
    ]
    return [{"target": {"kind": "HTTPRoute"}, "patch": json.dumps(changes)}]
