"""Vertex AI on loopback, with what a project of Google Cloud needs besides it, at one address."""

import itertools
import json
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from vertex.service import errors, wire
from vertex.service.batch import Batch
from vertex.service.endpoints import Endpoints
from vertex.service.ground import Ground
from vertex.service.models import Models
from vertex.service.operations import Operation
from vertex.service.pipelines import Pipelines
from vertex.service.serving import Serving

LOOPBACK = "127.0.0.1"
OPERATIONS = re.compile(r"/(?:v1|ui)/(projects/.+/operations(/\d+)?)")
POLL = 0.02  # seconds between looks at whether to stop
UNLOCKED = ("predict", "raw_predict")  # they wait for a model's server


@dataclass
class Scripted:
    """What happens to the next requests of a kind, in place of an answer or before it."""

    what: str
    times: float
    error: errors.Rejected | None = None
    lose: bool = False
    before: Callable[[], object] | None = None


@dataclass
class Code:
    """The project whose steps and servers run here, as its image holds it."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable


class Service:
    """The service's state, and what it was asked, as a context manager.

    `folder` is where runs work. `code` is what is run and served; without it jobs only seem to
    run, and versions answer with their number. `gcs` is the address of a fake-gcs-server.
    """

    def __init__(
        self, folder: Path, *, code: Code | None = None, gcs: str = "", port: int = 0
    ) -> None:
        self.project, self.number = "digits-staging", "123456789012"
        self.folder, self.code, self.gcs, self.port = folder, code, gcs, port
        folder.mkdir(parents=True, exist_ok=True)
        self.seconds = 0.0  # until a long-running operation ends
        self.token = ""  # which a login must have; "": nobody is asked
        self.calls: list[tuple[str, Any]] = []
        self.script: list[Scripted] = []
        self.operations: dict[str, Operation] = {}
        self.numbers = itertools.count(1000)
        self.clock = datetime.now(UTC)
        self.lock = threading.RLock()
        self.table = wire.routes()
        self.serving = Serving(self)
        self.ground = Ground(self)
        self.pipelines = Pipelines(self)
        self.models = Models(self)
        self.endpoints = Endpoints(self)
        self.batch = Batch(self)
        self.parts = (self.pipelines, self.models, self.endpoints, self.batch)

    def __enter__(self) -> "Service":
        self.servers = [_listen(self, dedicated) for dedicated in (False, True)]
        self.url, self.dedicated = (
            f"http://{LOOPBACK}:{server.server_port}" for server in self.servers
        )
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()
        self.pipelines.close()
        self.serving.close()

    def fail(self, what: str, error: errors.Rejected, times: float = 1) -> None:
        """Answer the next requests of an RPC, or of `METHOD /path…`, with an error."""
        self.script.append(Scripted(what, times, error))

    def lose(self, what: str, times: float = 1) -> None:
        """Do what the next request asks, and close the connection without an answer."""
        self.script.append(Scripted(what, times, lose=True))

    def before(self, what: str, do: Callable[[], object], times: float = 1) -> None:
        """Call a function just before the next request is dealt with."""
        self.script.append(Scripted(what, times, before=do))

    def plan(self, kind: str, times: float = 1) -> None:
        """How the next jobs go: succeed, fail:<task>:<message>, cancel, stuck, quota or run."""
        self.pipelines.plans.append((kind, times))

    def asked(self, rpc: str) -> list[Any]:
        """The requests of that kind."""
        return [request for name, request in self.calls if name == rpc]

    def parent(self, name: str) -> str:
        """`projects/N/locations/L` of a name; the project must be ours, by its id or number."""
        parts = name.split("/")
        if parts[1] not in (self.project, self.number):
            raise errors.denied("aiplatform.locations.get", "/".join(parts[:4]))
        if self.ground.lacks("aiplatform.googleapis.com"):
            raise errors.disabled("aiplatform.googleapis.com", self.number)
        return f"projects/{self.number}/locations/{parts[3]}"

    def canonical(self, name: str) -> str:
        """A name as the service writes it: with the project's number."""
        return "/".join([self.parent(name), *name.split("/")[4:]])

    def now(self) -> datetime:
        """The time, later at every call: what is made later is the newer."""
        self.clock = max(datetime.now(UTC), self.clock + timedelta(microseconds=1))
        return self.clock

    def identity(self) -> str:
        return f"{next(self.numbers)}{'0' * 15}"

    def begin(
        self,
        name: str,
        metadata: Any,
        finish: Callable[[], Any],
        ready: Callable[[], bool] = lambda: True,
    ) -> Any:
        """Start an operation on what `name` names, and answer with it as it is now."""
        full = f"{name}/operations/{self.identity()}"
        due = time.monotonic() + self.seconds
        self.operations[full] = Operation(full, metadata, finish, ready, due)
        self.operations[full].advance()
        return self.operations[full].message()

    def answer(self, method: str, target: str, content: bytes, headers: Any, port: bool) -> Any:
        """What a request is answered: a message, JSON, or bytes; `port`: the dedicated one."""
        url = urlsplit(target)
        found = wire.find(self.table, method, url.path)
        rpc = found[0].rpc if found else f"{method} {url.path}"
        lost = self._scripted(rpc)
        if self.token and headers.get("Authorization") != f"Bearer {self.token}":
            raise errors.unauthenticated()
        if found is None:
            answer = self._other(method, url.path, url.query, content, headers)
        else:
            answer = self._call(*found, url.query, content, headers, port)
        if lost:
            raise ConnectionAbortedError
        return answer

    def _scripted(self, rpc: str) -> bool:
        """Do what the script says of this request; true where its answer is to be lost."""
        with self.lock:
            mine = [
                each
                for each in self.script
                if each.times > 0
                and (rpc == each.what or (" " in each.what and rpc.startswith(each.what)))
            ]
            if not mine:
                return False
            first = mine[0]
            first.times -= 1
        if first.before:
            first.before()
        if first.error:
            raise first.error
        return first.lose

    def _call(
        self,
        route: wire.Route,
        names: list[str],
        query: str,
        content: bytes,
        headers: Any,
        dedicated: bool,
    ) -> Any:
        name = "".join(f"_{c.lower()}" if c.isupper() else c for c in route.rpc).lstrip("_")
        function = next((getattr(part, name) for part in self.parts if hasattr(part, name)), None)
        if function is None:
            raise errors.Rejected("UNIMPLEMENTED", f"{route.rpc} is not served on loopback.")
        if name in UNLOCKED:
            return function(route, names, content, headers, dedicated)
        request = wire.read(route, names, query, content)
        with self.lock:
            self.calls.append((route.rpc, request))
            self.advance()
            return wire.write(function(request), query)

    def _other(self, method: str, path: str, query: str, content: bytes, headers: Any) -> Any:
        if method == "GET" and (match := OPERATIONS.fullmatch(unquote(path))):
            with self.lock:
                self.advance()
                name = self.canonical(match[1])
                mine = [each for key, each in self.operations.items() if key.startswith(name)]
                if not match[2]:
                    found = [wire.write(each.message(), query) for each in mine]
                    return {"operations": found} if found else {}
                if not mine:
                    raise errors.not_found(name)
                return wire.write(mine[0].message(), query)
        return self.ground.answer(method, path, query, content, headers)

    def advance(self) -> None:
        """Let what takes time be as far as it should be by now."""
        for operation in self.operations.values():
            operation.advance()


def _listen(service: Service, dedicated: bool) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                found = service.answer(self.command, self.path, content, self.headers, dedicated)
            except errors.Rejected as error:
                found = error
            except ConnectionAbortedError:
                self.close_connection = True
                return
            except Exception:  # a mistake of this service: the test that meets it must fail
                found = errors.Rejected("INTERNAL", traceback.format_exc())
            with suppress(ConnectionError):  # of a client that was killed meanwhile
                self.send(found)

        do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = do_GET

        def send(self, found: Any) -> None:
            if isinstance(found, errors.Rejected):
                text = json.dumps(found.body())
                found = wire.Answer(text.encode(), "application/json", {}, found.code)
            elif not isinstance(found, wire.Answer):
                found = wire.Answer(json.dumps(found).encode(), "application/json", {})
            self.send_response(found.code)
            size = {"Content-Type": found.kind, "Content-Length": str(len(found.content))}
            for name, value in (size | found.headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(found.content)

    port = service.port + dedicated if service.port else 0
    server = ThreadingHTTPServer((LOOPBACK, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=[POLL], daemon=True).start()
    return server
