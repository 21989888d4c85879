"""The servers of deployed versions: the project's own, started as Vertex AI starts its image."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vertex.service import errors
from vertex.service.wire import Answer

if TYPE_CHECKING:
    from vertex.service.server import Service

PATIENCE = 60  # seconds until a server that is not healthy has failed
SERVER = ["-m", "blueprint.serving.vertex"]  # what the serving image starts


@dataclass
class Server:
    """One server; without a process, of a version that only answers with its number."""

    version: str
    broken: Any = None
    process: "subprocess.Popen[bytes] | None" = None
    url: str = ""
    health: str = ""
    predict: str = ""
    end: float = 0

    def ready(self) -> bool:
        """Whether it is healthy; an error where it cannot become so."""
        ended = self.process and self.process.poll() is not None
        if self.broken == "start" or ended or (self.process and time.monotonic() > self.end):
            raise errors.precondition(
                "Model server never became ready. Please validate that your model file or "
                "container configuration are valid. Model server logs can be found at "
                "https://console.cloud.google.com/logs/viewer"
            )
        if self.process is None:
            return True
        with suppress(OSError), urllib.request.urlopen(self.url + self.health, timeout=1) as got:
            return bool(got.status == 200)
        return False

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()


@dataclass
class Prediction:
    """One request, for Cloud Monitoring's numbers."""

    endpoint: str
    deployed: str
    code: int
    seconds: float
    time: datetime


class Serving:
    """`serves` are the servers by deployed model; `broken` says by version what one does wrong:
    "start" (it never is healthy), a status as int, or seconds to answer as float.
    """

    def __init__(self, service: "Service") -> None:
        self.service = service
        self.serves: dict[str, Server] = {}
        self.started: list[Server] = []
        self.broken: dict[str, Any] = {}
        self.predictions: list[Prediction] = []

    def start(self, model: Any, endpoint: str = "", deployed: str = "") -> Server:
        """Start a version's server under the variables that its container would have."""
        server = Server(model.version_id, self.broken.get(model.version_id))
        code, spec = self.service.code, model.container_spec
        if code is None or server.broken == "start":
            return server
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        default = f"/v1/endpoints/{endpoint.rpartition('/')[2]}/deployedModels/{deployed}"
        server.url, server.end = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
        server.health = spec.health_route or default
        server.predict = spec.predict_route or f"{default}:predict"
        variables = {
            "AIP_MODE": "PREDICTION",
            "AIP_HTTP_PORT": str(port),
            "AIP_HEALTH_ROUTE": server.health,
            "AIP_PREDICT_ROUTE": server.predict,
            "AIP_STORAGE_URI": model.artifact_uri,
            "AIP_ENDPOINT_ID": endpoint.rpartition("/")[2],
            "AIP_DEPLOYED_MODEL_ID": deployed,
            "PYTHONPATH": str(code.folder / "src"),
        }
        variables |= {each.name: each.value for each in spec.env}
        log = self.service.folder / f"server-{port}.log"
        with log.open("wb") as output:
            server.process = subprocess.Popen(
                [*(spec.command or [code.python, *SERVER]), *spec.args],
                cwd=code.folder,
                env=os.environ | code.variables | variables,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.started.append(server)
        return server

    def ask(self, deployed: Any, content: bytes, headers: Any) -> Answer:
        """What a deployed model answers, counted."""
        server, started = self.serves[deployed.id], time.monotonic()
        answer = self.send(server, content, headers.get("Content-Type") or "application/json")
        with self.service.lock:
            endpoint = next(
                each.name
                for each in self.service.endpoints.made.values()
                if any(one.id == deployed.id for one in each.deployed_models)
            )
            self.predictions.append(
                Prediction(
                    endpoint,
                    deployed.id,
                    answer.code,
                    time.monotonic() - started,
                    self.service.now(),
                )
            )
        return answer

    def send(self, server: Server, content: bytes, kind: str) -> Answer:
        broken = self.broken.get(server.version)
        if isinstance(broken, float):
            time.sleep(broken)
        if isinstance(broken, int):
            return Answer(b'{"error": "broken"}', "application/json", {}, broken)
        if server.process is None:
            return Answer(_number(content, server.version), "application/json", {})
        request = urllib.request.Request(
            server.url + server.predict, content, {"Content-Type": kind}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as got:
                return Answer(got.read(), got.headers.get_content_type(), {}, got.status)
        except urllib.error.HTTPError as error:
            return Answer(error.read(), error.headers.get_content_type(), {}, error.code)
        except OSError as error:
            return Answer(str(error).encode(), "text/plain", {}, 503)

    def stop(self, deployed: str) -> None:
        if server := self.serves.pop(deployed, None):
            server.stop()

    def close(self) -> None:
        for server in self.started:
            server.stop()


def _number(content: bytes, version: str) -> bytes:
    instances = json.loads(content or b"{}").get("instances", [])
    return json.dumps({"predictions": [{"version": version}] * len(instances)}).encode()
