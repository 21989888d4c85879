"""A server that stands before another one and changes what is said."""

import contextlib
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HIDDEN = {"content-length", "connection", "transfer-encoding", "date", "server"}


@dataclass
class Message:
    """A request, or the answer to one. Names of headers are in lower case."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "GET"
    path: str = "/"
    status: int = 200


Forward = Callable[[Message], Message]


@contextlib.contextmanager
def proxy(url: str, change: Callable[[Message, Forward], Message]) -> Iterator[str]:
    """The URL of a server that answers as `change(request, forward)` says."""

    def forward(request: Message) -> Message:
        headers = {k: v for k, v in request.headers.items() if k not in HIDDEN | {"host"}}
        body = request.body if request.method == "POST" else None
        asked = urllib.request.Request(url + request.path, body, headers, method=request.method)
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return _answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return _answer(error.code, error.headers, error.read())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = change(Message(body, headers, self.command, self.path), forward)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = handle_any  # noqa: N815  (the names are the library's)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # connections at once; more than five would be reset

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _answer(status: int, headers: object, body: bytes) -> Message:
    kept = {k.lower(): v for k, v in headers.items() if k.lower() not in HIDDEN}  # type: ignore[attr-defined]
    return Message(body, kept, status=status)
