"""A reverse proxy before a real server, that fails, stalls or asks for a login.

`rules` are tried in order for each request; the first that answers True has dealt with it.
"""

import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Rule = Callable[["Handler"], bool]


class Handler(BaseHTTPRequestHandler):
    """Hands a GET on, unless a rule deals with it."""

    server: "Front"

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        if not any(rule(self) for rule in self.server.rules):
            self.send(*self.backend())

    def backend(self) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self.server.backend + self.path, timeout=20) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def send(self, code: int, body: bytes, promised: int | None = None, **headers: str) -> None:
        """Answer; with another length `promised` than the body has, if that is given."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Front(ThreadingHTTPServer):
    """The proxy, as a context manager: `url` is its address."""

    daemon_threads = True

    def __init__(self, backend: str, *rules: Rule) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.backend, self.rules = backend, rules
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    def __enter__(self) -> "Front":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
