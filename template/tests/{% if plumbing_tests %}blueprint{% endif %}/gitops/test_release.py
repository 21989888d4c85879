"""The one line of a promotion: what pins a version is found and changed, and nothing else is."""

import difflib
import json

import pytest
import yaml

from blueprint.deploy.git.release import HEAD, pinned, repinned
from blueprint.deploy.pin import Pin
from blueprint.errors import UserError

OLD = Pin("7", "a" * 64, "s3://bucket/7/artifacts")
NEW = Pin("12", "b" * 64, "s3://bucket/12/artifacts")


def released(pin: Pin = OLD, images: tuple[str, ...] = ("serving",), storage: bool = False) -> str:
    """A kustomization as `make promote` writes it; KServe's has the address twice."""
    where = "/spec/template/metadata/annotations"
    change = [{"op": "add", "path": where, "value": {"team": "vision"} | pin.annotations}]
    if storage:
        change.append({"op": "add", "path": "/spec/predictor/model/storageUri", "value": pin.uri})
    content = {
        "resources": ["../../../deploy/overlays/staging"],
        "images": [{"name": name, "digest": "sha256:7"} for name in images],
        "patches": [{"target": {"kind": "Deployment"}, "patch": json.dumps(change)}],
    }
    return HEAD + yaml.safe_dump(content, sort_keys=False, width=10_000)


@pytest.mark.parametrize("storage", [False, True], ids=["Deployment", "InferenceService"])
def test_one_line_changes(storage: bool) -> None:
    before = released(storage=storage)
    after = repinned(before, NEW, "deploy/released/staging")
    assert pinned(after) == NEW
    assert after == released(NEW, storage=storage)
    changed = [
        line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] == "+"
    ]
    assert len(changed) == 1


def test_what_a_person_has_added_stays() -> None:
    mine = released().replace("resources:", "commonAnnotations: {mine: '7'}  # my own\nresources:")
    after = repinned(mine, NEW, "deploy/released/staging")
    assert "commonAnnotations: {mine: '7'}  # my own" in after
    assert pinned(after) == NEW


@pytest.mark.parametrize("text", [None, "", "resources: []\n", released() + released()])
def test_without_a_pin_there_is_no_line_to_change(text: str | None) -> None:
    assert pinned(text) is None
    with pytest.raises(UserError, match=r"released/staging/kustomization.yaml pins no version yet"):
        repinned(text, NEW, "deploy/released/staging")


def test_a_model_that_is_an_image_is_for_make_promote() -> None:
    with pytest.raises(UserError, match="make model-image VERSION=12"):
        repinned(released(images=("serving", "model")), NEW, "deploy/released/staging")
