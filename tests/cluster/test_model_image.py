"""The model as an image that pods mount, from `make model-image` to the answer: without a login."""

import json
import re
from typing import Any

import pytest
import yaml

from support.cluster import get_json, kubectl

pytestmark = pytest.mark.slow
COMPONENT = "../../components/model-image"


@pytest.fixture
def mounting(served: Any) -> Any:
    """A project whose overlay takes the component; the versions 1 and 2 have images."""
    take(served)
    for version in ("1", "2"):
        served.make("model-image", f"VERSION={version}")
    return served


def take(served: Any) -> None:
    file = served.project.path / "deploy" / "overlays" / "staging" / "kustomization.yaml"
    content = yaml.safe_load(file.read_text())
    content["components"] = [COMPONENT]
    # Without the way to MLflow that the conftest opens.
    patches = content["patches"]
    content["patches"] = [
        each for each in patches if each.get("target", {}).get("kind") != "NetworkPolicy"
    ]
    file.write_text(yaml.safe_dump(content))


def image_of(served: Any, version: str) -> str:
    """What the registry says of a version: the image by its digest."""
    code = """
import sys
from mlflow import MlflowClient
version = MlflowClient(sys.argv[1]).get_model_version("digit-recognition", sys.argv[2])
print(version.tags.get("model.image", ""))
"""
    return str(served.project.run_python("-c", code, served.tracking_uri, version)).strip()


def mounted(pod: dict[str, Any]) -> list[str]:
    return [each["image"]["reference"] for each in pod["spec"]["volumes"] if "image" in each]


def test_each_version_is_mounted_from_its_own_image(mounting: Any) -> None:
    """From the first deployment to another version and back, whichever image was made last."""
    images = {version: image_of(mounting, version) for version in ("1", "2")}
    assert len({*images.values()}) == 2
    assert all(re.fullmatch(r"\S+/\S+@sha256:[0-9a-f]{64}", each) for each in images.values())

    for version in ("1", "2", "1"):
        shown = mounting.make("deploy", f"VERSION={version}")
        assert f"version {version} (" in shown.splitlines()[-1]
        assert mounting.answers() == version
        mounting.settles_on(version)
        assert {*map(tuple, map(mounted, mounting.pods()))} == {(images[version],)}
    status = mounting.project.make("status", "ENV=staging", check=False).stdout
    assert images["1"].rpartition(":")[2][:12] in " ".join(status.split())
    assert max(map(len, status.splitlines())) <= 80


def test_no_pod_has_a_login(mounting: Any) -> None:
    mounting.make("deploy", "VERSION=1")
    at = f"--namespace={mounting.namespace}"
    kubectl("create", at, "secret", "generic", f"{mounting.name}-fetch", "--from-literal=KEY=hush")
    kubectl("rollout", "restart", at, f"deployment/{mounting.name}")
    kubectl("rollout", "status", at, f"deployment/{mounting.name}", "--timeout=90s")
    mounting.settles_on("1")
    for pod in mounting.pods():
        assert "initContainers" not in pod["spec"]
        text = json.dumps(pod["spec"])
        assert not re.search(r'"(secret\w*|envFrom|serviceAccountToken)":|hush', text)
        name, exec_ = pod["metadata"]["name"], ("exec", at)
        assert "hush" not in kubectl(*exec_, name, "--", "env")
        there = kubectl(*exec_, name, "--", "python", "-c", LOOK).splitlines()
        assert "token: no" in there
        assert "writable: no" in there
    (policy,) = get_json("networkpolicy", at)["items"]
    assert policy["spec"].get("egress", []) == []


LOOK = """
import os
token = os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token")
print("token:", "yes" if token else "no")
try:
    open("/models/new", "w")
    print("writable: yes")
except OSError:
    print("writable: no")
"""


def test_a_rollback_goes_to_the_image_before(mounting: Any) -> None:
    """And one whose version has no image changes nothing, in the registry neither."""
    mounting.make("model-image", "VERSION=3")
    mounting.make("deploy")
    tag = image_of(mounting, "2")
    assert "It is the registry's champion" in mounting.make("status")
    try:
        set_image(mounting, "2", "")
        error = mounting.fails("rollback")
        assert "version 2 (" in error
        assert "`make model-image ENV=staging VERSION=2` pushes it" in error
        assert mounting.answers() == "3"
        assert "It is the registry's champion" in mounting.make("status")

        set_image(mounting, "2", tag)
        assert "version 2 is the champion again" in mounting.make("rollback")
        assert mounting.answers() == "2"
        mounting.settles_on("2")
        assert mounted(mounting.pods()[0]) == [tag]
        assert "It is the registry's champion" in mounting.make("status")
    finally:
        set_image(mounting, "2", tag)
        mounting.make("promote", "VERSION=3")


def set_image(served: Any, version: str, image: str) -> None:
    code = """
import sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
client.set_model_version_tag("digit-recognition", sys.argv[2], "model.image", sys.argv[3])
"""
    served.project.run_python("-c", code, served.tracking_uri, version, image)


def test_a_version_without_its_image_is_one_line(mounting: Any) -> None:
    """No tag, an image that the registry has lost, and the image of another version."""
    mounting.make("deploy", "VERSION=1")
    mounting.configure(timeout_seconds=40)
    tags = {version: image_of(mounting, version) for version in ("1", "2")}
    lost = re.sub("sha256:.{8}", "sha256:00000000", tags["2"])
    try:
        for image, expected in (
            ("", "has none: `make model-image ENV=staging VERSION=2` pushes it"),
            (lost, f"{lost} cannot be pulled"),
            (tags["1"], "and the pod is pinned to version 2"),
        ):
            set_image(mounting, "2", image)
            error = mounting.fails("deploy", "VERSION=2")
            assert expected in error
            assert mounting.answers() == "1"
            mounting.settles_on("1")
    finally:
        set_image(mounting, "2", tags["2"])


def test_who_fetched_until_now_mounts_and_back(served: Any) -> None:
    """The component is taken into the overlay of what serves already, and out of it again."""
    served.make("deploy", "VERSION=1")
    file = served.project.path / "deploy" / "overlays" / "staging" / "kustomization.yaml"
    before = file.read_text()
    served.make("model-image", "VERSION=1")
    take(served)
    served.make("deploy", "VERSION=1")
    served.settles_on("1")
    assert mounted(served.pods()[0])
    file.write_text(before)
    served.make("deploy", "VERSION=1")
    served.settles_on("1")
    assert not mounted(served.pods()[0])
    assert served.answers() == "1"
