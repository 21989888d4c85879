"""The Kubernetes manifests of a rendered project, as kustomize builds them."""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from support import questions

Object = dict[str, Any]
SCHEMAS = "CRD_SCHEMAS"  # a folder of GROUP/KIND_VERSION.json, such as datreeio/CRDs-catalog's
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast
INSTALL = "https://kubernetes.io/docs/tasks/tools/ has kubectl"


def build(folder: Path) -> str:
    """What `kubectl kustomize` makes of a folder; an AssertionError with its words if it fails."""
    if not shutil.which("kubectl"):
        if os.environ.get("REQUIRE_CLUSTER"):
            pytest.fail(f"there is no kubectl: {INSTALL}")
        pytest.skip(f"there is no kubectl: {INSTALL}")
    command = ["kubectl", "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{folder}: {done.stderr}"
    assert not done.stderr, f"{folder}: {done.stderr}"
    return done.stdout


def objects(text: str) -> list[Object]:
    return [each for each in yaml.load_all(text, LOADER) if each]


def roots(project: Path) -> list[Path]:
    """The folders below deploy/ that are applied by themselves, relative to the project."""
    found = []
    for file in sorted(project.glob("deploy/**/kustomization.yaml")):
        if yaml.safe_load(file.read_text())["kind"] == "Kustomization":
            found.append(file.parent.relative_to(project))
    return found


def components(project: Path) -> list[Path]:
    """The components that an overlay may take, relative to the project."""
    return sorted(
        file.parent.relative_to(project)
        for file in project.glob("deploy/components/*/kustomization.yaml")
    )


def released(
    project: Path,
    folder: Path,
    environment: str,
    taken: list[Path] | None = None,
    namespace: str = "team-vision",
) -> list[Object]:
    """The overlay with components, images and namespace, as a deployment applies it.

    The project is read; `folder` is written.
    """
    up = os.path.relpath(project.resolve(), folder.resolve())
    images = [
        {"name": kind, "newName": f"registry.example.com/team/{kind}", "digest": f"sha256:{at}"}
        for kind, at in (("serving", "a" * 64), ("fetch", "b" * 64), ("model", "c" * 64))
    ]
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "resources": [f"{up}/deploy/overlays/{environment}"],
        "components": [f"{up}/{each}" for each in taken or []],
        "images": images,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return objects(build(folder))


def answers() -> list[dict[str, Any]]:
    """The answers of a project for every combination that has manifests of its own."""
    keys = ("platform", "cloud", "serving_platform", "serving_runtime")
    rows = [
        row
        for row in questions.combinations(*keys)
        if row["platform"] == "kubeflow" and row["serving_platform"] != "none"
    ]
    first = {row["serving_platform"]: row for row in reversed(rows)}
    return [*rows, *({**row, "serving_extras": "v2"} for row in first.values())]


def pod_template(thing: Object) -> Object | None:
    """The pod's metadata and spec of an object that makes pods; None for any other."""
    spec = thing.get("spec", {})
    if thing["kind"] == "Deployment":
        found: Object = spec["template"]
        return found
    if thing["kind"] == "InferenceService":
        labels = {"component": "predictor"} | spec["predictor"].get("labels", {})
        labels["serving.kserve.io/inferenceservice"] = thing["metadata"]["name"]
        metadata = {"labels": labels, "annotations": spec["predictor"]["annotations"]}
        return {"metadata": metadata, "spec": spec["predictor"]}
    return None


def containers(pod: Object) -> list[Object]:
    """All containers of a pod's spec; KServe's `model` is one, merged into its runtime's."""
    spec = pod["spec"]
    return [*spec.get("initContainers", []), *spec.get("containers", [])]


def closed(schema: Any) -> Any:
    """A CRD's schema by which a field that it does not know is a mistake."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    open_ended = found.get("x-kubernetes-preserve-unknown-fields")
    if "properties" in found and isinstance(found["properties"], dict) and not open_ended:
        found.setdefault("additionalProperties", False)
    if found.pop("x-kubernetes-int-or-string", None):
        found = {"type": ["integer", "string"]}
    return found


def custom_faults(thing: Object) -> list[str]:
    """What of a custom resource is not of its schema; skip where there are no schemas."""
    if not os.environ.get(SCHEMAS):
        pytest.skip(f"{SCHEMAS} names no folder: clone https://github.com/datreeio/CRDs-catalog")
    group, _, version = thing["apiVersion"].rpartition("/")
    file = Path(os.environ[SCHEMAS], group, f"{thing['kind'].lower()}_{version}.json")
    errors = _validator(file).iter_errors(thing)
    return [f"{thing['kind']} {error.json_path}: {error.message[:200]}" for error in errors]


@cache
def _validator(file: Path) -> Draft202012Validator:
    schema = closed(json.loads(file.read_text()))
    schema["properties"]["metadata"] = {"type": "object"}
    return Draft202012Validator(schema)
