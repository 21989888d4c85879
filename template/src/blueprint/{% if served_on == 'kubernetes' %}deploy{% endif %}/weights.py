"""What a canary on plain Kubernetes is made of, from the manifests of the version in service."""

from copy import deepcopy
from typing import Any

from .connection import Object

COMPONENT, SERVING, CANARY = "app.kubernetes.io/component", "serving", "canary"


def weighted(route: Object, stable: str, canary: str, percent: int) -> Object:
    """The route with so much for the canary; with nothing for it, it does not name it."""
    fields = ("apiVersion", "kind", "spec")
    about = {
        key: route["metadata"][key]
        for key in ("name", "labels", "annotations")
        if key in route["metadata"]
    }
    changed = deepcopy({key: route[key] for key in fields}) | {"metadata": about}
    for rule in changed["spec"]["rules"]:
        refs = []
        for each in rule.get("backendRefs", ()):
            if each["name"] == stable and percent:
                refs.append(each | {"weight": 100 - percent})
                refs.append(each | {"name": canary, "weight": percent})
            elif each["name"] != canary:
                refs.append(each | ({"weight": 100} if each["name"] == stable else {}))
        rule["backendRefs"] = refs
    return changed


def as_canary(manifest: Object) -> Object:
    """The same object for the canary: another name, another component wherever it is a label."""
    changed: Object = _relabelled(manifest)
    changed["metadata"]["name"] += f"-{CANARY}"
    return changed


def _relabelled(value: Any) -> Any:
    if isinstance(value, list):
        return [_relabelled(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: CANARY if (key, each) == (COMPONENT, SERVING) else _relabelled(each)
        for key, each in value.items()
    }
