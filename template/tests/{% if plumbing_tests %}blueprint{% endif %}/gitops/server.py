"""A Git host on loopback: GitHub's API, GitLab's, and git itself, over one real bare repository."""

import base64
import json
import os
import re
import ssl
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from gitops.bare import Bare
from gitops.github_api import GitHubApi
from gitops.gitlab_api import GitLabApi
from gitops.shared import NAME, READER, TOKEN, Rejection, Request


class Forge:
    """The server's state, and what it was asked, as a context manager: it listens at `address`.

    `answers` are given before all others: status, headers and body. `meanwhile` is what somebody
    else does just before a request "METHOD path" that matches is dealt with, once.
    """

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        self.address = address
        self.repository = Bare(folder / f"{NAME}.git")
        self.folder = folder
        self.requests: list[Request] = []
        self.calls: list[str] = []
        self.logins: list[str] = []
        self.answers: list[tuple[int, dict[str, str], str]] = []
        self.meanwhile: list[tuple[str, Callable[[], object]]] = []
        self.words = ""  # what GitHub says of a protected branch, if not its most usual words
        self.lock = threading.RLock()
        self.apis = {"github": GitHubApi(self), "gitlab": GitLabApi(self)}

    def __enter__(self) -> "Forge":
        forge = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                forge.answer(self)

            do_POST = do_PUT = do_PATCH = do_GET

        self.server = ThreadingHTTPServer((self.address, 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://{self.address}:{self.server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def encrypt(self, certificate: Path, key: Path) -> None:
        """Speak TLS from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")

    def open_requests(self, branch: str) -> list[Request]:
        """The open ones of a branch of this repository."""
        mine = [each for each in self.requests if each.branch == branch and not each.fork]
        return [each for each in mine if each.state == "open"]

    def merge(self, number: int, squash: bool = False) -> str:
        """What a person does who approves a request: the new head of its base."""
        request = self.requests[number - 1]
        own = self.repository.log(f"{request.base}..{request.branch}")
        made = self.repository.merge(request.branch, request.base, squash)
        request.state, request.commits = "merged", [*own, made]
        return made

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        content = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        url = urlsplit(handler.path)
        self.calls.append(f"{handler.command} {url.path}")
        self.logins.append(handler.headers.get("Authorization") or "")
        for each in self.meanwhile[:1]:
            if re.search(each[0], f"{handler.command} {handler.path}"):
                self.meanwhile.remove(each)
                each[1]()
        if self.answers:
            self.send(handler, *self.answers.pop(0))
            return
        api, _, path = url.path.lstrip("/").partition("/")
        if api not in self.apis:
            self.serve_git(handler, url.path, url.query, content)
            return
        try:
            body = json.loads(content) if content else {}
            with self.lock:
                code, found = self.apis[api].answer(
                    handler.command, f"/{path}", dict(parse_qsl(url.query)), body, handler.headers
                )
        except Rejection as rejection:
            code, found = rejection.status, rejection.body
        self.send(handler, code, {}, json.dumps(found))

    def send(
        self, handler: BaseHTTPRequestHandler, code: int, headers: dict[str, str], text: str
    ) -> None:
        content = text.encode()
        handler.send_response(code)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    def serve_git(
        self, handler: BaseHTTPRequestHandler, path: str, query: str, content: bytes
    ) -> None:
        """Git's own protocol, by git's own server: whoever logs in with the token may push."""
        login = handler.headers.get("Authorization", "").removeprefix("Basic ")
        password = base64.b64decode(login).decode().partition(":")[2]
        if password not in (TOKEN, READER):
            asked = {"WWW-Authenticate": 'Basic realm="git"'}
            self.send(handler, 401, asked, "Unauthorized")
            return
        if password == READER and "receive-pack" in path + query:
            self.send(handler, 403, {}, "Forbidden")
            return
        variables = {
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": handler.command,
            "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(content)),
            "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
            "REMOTE_USER": "somebody",
        }
        done = subprocess.run(
            ["git", "http-backend"], input=content, capture_output=True, env=os.environ | variables
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        handler.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
