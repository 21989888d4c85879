"""What a cluster serves of a stand-in, deployed by a project's own code."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import cluster, engine
from support.cluster import kubectl
from support.load import Load, load
from support.project import environment

STANDIN = Path(__file__).parents[1] / "cluster" / "standin.py"
PREDICT = "/v1/models/digits:predict"


@dataclass(frozen=True)
class Site:
    """A namespace that serves, and the project's Python that deploys to it."""

    python: Path
    settings: dict[str, Any]
    address: str
    host: str

    def start(self, what: str, *arguments: str) -> subprocess.Popen[str]:
        command = [str(self.python), str(STANDIN), what, json.dumps(self.settings), *arguments]
        return subprocess.Popen(
            command,
            cwd=self.python.parents[2],
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, what: str, *arguments: str, code: int = 0) -> str:
        process = self.start(what, *arguments)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == code, output
        return output

    def load(self) -> Any:
        return load(self.address, self.host, PREDICT)

    def names(self, kind: str) -> list[str]:
        path = "jsonpath={.items[*].metadata.name}"
        return kubectl("get", kind, "-n", self.settings["namespace"], "-o", path).split()

    def weights(self) -> dict[str, int]:
        path = ("get", "httproute", "digits", "-n", self.settings["namespace"], "-o", "json")
        rules = json.loads(kubectl(*path))["spec"]["rules"]
        return {each["name"]: each["weight"] for each in rules[0]["backendRefs"]}


def find_gateway() -> dict[str, Any]:
    """A Gateway of the cluster that takes routes of other namespaces, and answers here."""
    cluster.need_cluster()
    listed = kubectl("get", "gateways.gateway.networking.k8s.io", "-A", "-o", "json", check=False)
    found = json.loads(listed)["items"] if listed.startswith("{") else []
    usable = [each for each in found if each.get("status", {}).get("addresses")]
    if not usable:
        cluster.lacking(
            "the cluster has no Gateway", "install the Gateway API and a gateway: Traefik"
        )
    port = usable[0]["spec"]["listeners"][0]["port"]
    address = f"{usable[0]['status']['addresses'][0]['value']}:{port}"
    return usable[0]["metadata"] | {"address": address}


@contextmanager
def pullable_python(folder: Path) -> Iterator[str]:
    """A Python that the cluster can pull."""
    standin = os.environ.get(engine.STANDIN)
    if not standin:
        yield "docker.io/library/python:3.12-slim"
        return
    with cluster.registry(folder) as address:
        name = f"{address}/python-of-the-tests:latest"
        engine.docker("tag", standin, name)
        engine.docker("push", "--quiet", name, timeout=600)
        yield name


def settle(clients: Load) -> None:
    """Until the gateway knows the route; what was answered before does not count."""
    end = time.monotonic() + 30
    while time.monotonic() < end and not clients.by_version():
        time.sleep(0.2)
    time.sleep(0.5)
    clients.reset()
