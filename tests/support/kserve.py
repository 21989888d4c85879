"""A model on KServe: what whoever runs the cluster does once, and when the route is there."""

import http.client
import json
import time
from pathlib import Path

import yaml

from support import cluster
from support.cluster import kubectl
from support.project import Project


def need_kserve() -> None:
    if "inferenceservices" not in kubectl("api-resources", "-o", "name", check=False):
        cluster.lacking(
            "the cluster has no KServe", "install it in Standard mode, with the Gateway API"
        )


def apply_storage(project: Project, storage: Path) -> None:
    """What whoever runs the cluster does once, with the image that was pushed."""
    images = json.loads((project.path / "build" / "images.json").read_text())
    name, _, digest = images["serving"]["pushed"].partition("@")
    file = storage / "kustomization.yaml"
    content = yaml.safe_load(file.read_text())
    [image] = content["images"]
    image |= {"newName": name, "digest": digest}
    file.write_text(yaml.safe_dump(content))
    container = storage / "container.yaml"
    container.write_text(container.read_text().replace("value: production", "value: staging"))
    kubectl("apply", "-k", str(storage))


def settled(gateway: str, host: str, name: str) -> None:
    """The gateway knows the route: it may take a moment longer than KServe does."""
    for _ in range(50):
        connection = http.client.HTTPConnection(gateway, timeout=10)
        connection.request("GET", f"/v1/models/{name}", headers={"Host": host})
        if connection.getresponse().status == 200:
            return
        time.sleep(0.2)
