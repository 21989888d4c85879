"""Manifests by the schemas of Kubernetes' last four releases and of the custom resources."""

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from support import manifests
from support.manifests import Object, custom_faults
from support.rendering import Renderings

RELEASES = ("1.34", "1.35", "1.36", "1.37")
GROUPS = ("serving.kserve.io", "gateway.networking.k8s.io")  # of custom resources
KUSTOMIZE_ONLY = "config.kubernetes.io/local-config"
# Azure's pods have a label too.
ROWS = [row for row in manifests.answers() if row["cloud"] == "azure" or "serving_extras" in row]


def title(row: dict[str, Any]) -> str:
    return "-".join(str(value) for key, value in row.items() if key != "platform")


@pytest.fixture(scope="module", params=ROWS, ids=title)
def objects(
    request: pytest.FixtureRequest, renderings: Renderings, tmp_path_factory: Any
) -> list[Object]:
    """All that this project has applied, with every component."""
    project = renderings(**request.param)
    folder = tmp_path_factory.mktemp("released")
    known = manifests.components(project)
    found = [
        each
        for environment in ("staging", "production")
        for taken in ([], [part for part in known if part.name != "model-image"], known)
        for each in manifests.released(
            project, folder / f"{environment}{len(taken)}", environment, taken
        )
    ]
    others = [root for root in manifests.roots(project) if root.name not in ("base", "account")]
    text = [manifests.build(project / root) for root in others if "overlays" not in root.parts]
    found += [each for one in text for each in manifests.objects(one)]
    return [each for at, each in enumerate(found) if each not in found[:at]]


@cache
def kubernetes(release: str) -> tuple[Path, Registry[Any]]:
    """The strict schemas of a release, and what they refer to."""
    spec = find_spec("kubernetes_validate")
    assert spec is not None
    assert spec.origin
    folder = Path(spec.origin).parent / "kubernetes-json-schema" / f"v{release}.0-local-strict"
    definitions = json.loads((folder / "_definitions.json").read_text())
    resource = Resource.from_contents(definitions, default_specification=_specification())
    return folder, Registry().with_resource("/api/_definitions.json", resource)


def _specification() -> Any:
    from referencing.jsonschema import DRAFT202012

    return DRAFT202012


def file_of(thing: Object) -> str:
    group, _, version = thing["apiVersion"].rpartition("/")
    parts = [thing["kind"], *([group.split(".")[0]] if group else []), version]
    return "-".join(parts).lower() + ".json"


@cache
def validator(name: str, release: str) -> Draft202012Validator:
    folder, registry = kubernetes(release)
    return Draft202012Validator(json.loads((folder / name).read_text()), registry=registry)


def builtin_faults(thing: Object, release: str) -> list[str]:
    errors = validator(file_of(thing), release).iter_errors(thing)
    return [f"{thing['kind']} {error.json_path}: {error.message[:200]}" for error in errors]


@pytest.mark.parametrize("release", RELEASES)
def test_built_in_objects_are_of_every_recent_release(objects: list[Object], release: str) -> None:
    checked = [each for each in objects if each["apiVersion"].split("/")[0] not in GROUPS]
    assert checked
    assert not [fault for each in checked for fault in builtin_faults(each, release)]


def test_the_schemas_are_strict(objects: list[Object]) -> None:
    account = next(each for each in objects if each["kind"] == "ServiceAccount")
    assert builtin_faults({**account, "automountServiceAccountTokens": False}, RELEASES[-1])
    assert builtin_faults({**account, "automountServiceAccountToken": "no"}, RELEASES[-1])


def test_custom_resources_are_of_their_schemas(objects: list[Object]) -> None:
    custom = [each for each in objects if each["apiVersion"].split("/")[0] in GROUPS]
    assert custom
    assert not [fault for each in custom for fault in custom_faults(each)]
    assert custom_faults({**custom[0], "specs": {}})
