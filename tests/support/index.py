"""A package index as closed networks have one: on TLS of its own, for those with a password.

It hands on what the public index says, its files included, under its own addresses.
"""

import base64
import contextlib
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGES = "https://pypi.org"
FILES = "https://files.pythonhosted.org"
SENT, RETURNED = ("Accept", "Range"), ("Accept-Ranges", "Content-Range", "Content-Type", "ETag")
USER, PASSWORD = "reader", "a-password-that-no-layer-may-hold"


@dataclass(frozen=True)
class Index:
    """Where it is, and the files that one needs to read it."""

    url: str
    ca_bundle: Path
    netrc: Path

    def lock(self, text: str) -> str:
        """A uv.lock of the public index as this one gives it, which takes uv a minute."""
        text = text.replace(f"{PAGES}/simple", self.url)
        return text.replace(FILES, self.url.removesuffix("/simple/"))


@contextlib.contextmanager
def closed_index(folder: Path) -> Iterator[Index]:
    """The index on this machine, until the block ends; its certificate and login in `folder`."""
    authority, certificate, key = (folder / name for name in ("ca.pem", "server.pem", "key.pem"))
    _make_certificates(folder)
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            if self.headers.get("Authorization") != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="packages"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            page = self.path.startswith("/simple/")
            headers = {name: self.headers[name] for name in SENT if self.headers.get(name)}
            address = (PAGES if page else FILES) + self.path
            asked = urllib.request.Request(address, headers=headers, method=self.command)
            try:
                answer = urllib.request.urlopen(asked, timeout=60)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                body = answer.read()
            body = body.replace(FILES.encode(), url.encode()) if page else body
            self.send_response(answer.status)
            for name in RETURNED:
                if value := answer.headers.get(name):
                    self.send_header(name, value)
            length = answer.headers.get("Content-Length", "0")
            self.send_header("Content-Length", length if self.command == "HEAD" else str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_HEAD = handle_any  # noqa: N815  (the names are the library's)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"https://127.0.0.1:{server.server_port}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    netrc = folder / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    netrc.chmod(0o600)
    try:
        yield Index(f"{url}/simple/", authority, netrc)
    finally:
        server.shutdown()
        server.server_close()


def _make_certificates(folder: Path) -> None:
    """An authority, ca.pem, and a server's certificate and key that it signed."""
    extensions = folder / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
        "req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout key.pem -out server.csr",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
        "-extfile extensions -out server.pem",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
