"""Finding, or starting, the server that is to be tested, and the model it must answer like."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
from conformance.profiles import PROFILES
from conformance.target import Target

from blueprint import runs, settings
from blueprint.data import Dataset
from blueprint.errors import UserError
from blueprint.model import EXAMPLE_FILE, Model, ModelError, Tensor
from blueprint.registry import store

CLI = "blueprint.cli"
PROJECT = Path(__file__).parents[3]
AUTHORIZATION = "CONFORMANCE_AUTHORIZATION"  # the variable that holds this header
SECONDS = 120  # until a server must be ready, or must have answered
ROWS = 64
GIVE_MODEL = 'give the exported model that it must answer like, ARGS="--model-dir DIR"'


@dataclass(frozen=True)
class Options:
    """What the command line says, each None if it does not; `url` for the project's own server."""

    url: str | None
    model: str | None
    runtime: str | None
    predict_path: str | None
    model_dir: Path | None
    token_file: Path | None
    host: str | None


def find(options: Options, stack: ExitStack) -> Target:
    """The server that is asked for, started if it is the project's own; or a UserError.

    What has to be ended is left to `stack`.
    """
    loaded = settings.load()
    name = options.model or loaded.registry.name
    url = (options.url or "").rstrip("/")
    if not url:
        url = f"http://{loaded.serving.host}:{loaded.serving.port}"
        if not _answers(url, name):
            url = stack.enter_context(served(name))
    path = options.predict_path or f"/v1/models/{name}:predict"
    runtime = options.runtime
    parts = urlsplit(url)
    if "/projects/" in parts.path and "/endpoints/" in parts.path:
        path = options.predict_path or f"{parts.path.removesuffix(':predict')}:predict"
        url = f"{parts.scheme}://{parts.netloc}"
        runtime = runtime or "vertex"
    http = stack.enter_context(
        httpx.Client(base_url=url, headers=_headers(options), timeout=SECONDS)
    )
    try:
        runtime = runtime or _runtime(http)
        version = None
        if runtime == "vertex":
            _admit(http.post(path, content=b"{}"))
        else:
            version = _version(http, name)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UserError(f"no server answers at {url} ({error})") from None
    model, directory = _model(options.model_dir, loaded.serving.store, name, version)
    sha256 = None if runtime == "vertex" else _sha256(http, name)
    if sha256 not in (None, model.signature.sha256):
        raise UserError(
            f"{url} serves another model than the one in {directory} (the SHA-256 differs): "
            f"{GIVE_MODEL}"
        )
    rows, source = _rows(model, directory)
    return Target(http, name, version, model, rows, PROFILES[runtime], path, source)


@contextmanager
def served(name: str, *overrides: str, clean: bool = False) -> Iterator[str]:
    """The project's own server, as `make serve` starts it, on a free port: its URL, once ready.

    If `clean`, what the environment says of the configuration does not matter.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", CLI, "serve", "--port", str(port)]
    environment = dict(os.environ)
    if clean:
        environment = {k: v for k, v in environment.items() if not k.startswith("MLOPS_")}
        environment["MLOPS_ENV"] = "test"
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [*command, "serving.host=127.0.0.1", f"registry.name={name}", *overrides],
            cwd=PROJECT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            end = time.monotonic() + SECONDS
            while not _answers(url, name):
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    *_, last = ["it ended without a word", *log.read().strip().splitlines()]
                    raise UserError(f"the server did not start: {last.removeprefix('error: ')}")
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _answers(url: str, name: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/models/{name}", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _headers(options: Options) -> dict[str, str]:
    headers = {"Host": options.host} if options.host else {}
    if options.token_file:
        try:
            headers["Authorization"] = f"Bearer {options.token_file.read_text().strip()}"
        except OSError as error:
            raise UserError(f"{options.token_file}: cannot be read ({error.strerror})") from None
    elif AUTHORIZATION in os.environ:
        headers["Authorization"] = os.environ[AUTHORIZATION]
    return headers


def _runtime(http: httpx.Client) -> str:
    if http.get("/v2").status_code == 200:
        return "contract"
    there = http.get(PROFILES["tf-serving"].metrics).status_code == 200
    return "tf-serving" if there else "contract"


def _admit(response: httpx.Response) -> None:
    if response.status_code in (401, 403):
        raise UserError(
            f"{response.url} answers {response.status_code}: it wants to know who asks; set "
            f'{AUTHORIZATION}="Bearer …" in the environment, or give ARGS="--token-file FILE"'
        )


def _version(http: httpx.Client, name: str) -> str | None:
    """The version in service, by the V1 status; None where it names none."""
    response = http.get(f"/v1/models/{name}")
    _admit(response)
    if response.status_code != 200:
        raise UserError(
            f"{http.base_url} serves no model {name!r} (it answers {response.status_code} to "
            f"GET /v1/models/{name}): give MODEL=…"
        )
    with suppress(ValueError, KeyError, TypeError, StopIteration):
        versions = response.json()["model_version_status"]
        return next(each["version"] for each in versions if each["state"] == "AVAILABLE")
    return None


def _sha256(http: httpx.Client, name: str) -> str | None:
    """The model's, by the metadata; None where those are not this project's."""
    response = http.get(f"/v1/models/{name}/metadata")
    with suppress(ValueError, KeyError, TypeError):
        return str(response.json()["signature"]["sha256"])
    return None


def _model(
    directory: Path | None, folder: Path, name: str, version: str | None
) -> tuple[Model, Path]:
    if directory is None:
        if version is None:
            raise UserError(f"the server does not say which version it serves: {GIVE_MODEL}")
        directory = store.find(folder, name, version)
        if directory is None:
            raise UserError(
                f"the server serves version {version}, which is not in {folder}: {GIVE_MODEL}"
            )
    try:
        return Model(directory, threads=1), directory
    except ModelError as error:
        raise UserError(str(error)) from error


def _rows(model: Model, directory: Path) -> tuple[dict[str, np.ndarray], str]:
    """Rows of the newest test set, if they are the model's; else those it was exported with."""
    with suppress(UserError, ModelError, StopIteration):
        features = next(Dataset(runs.newest("load-data/test_data")).batches(ROWS))[0]
        rows = {name: values[:ROWS] for name, values in features.items()}
        model.predict(rows)
        return rows, "rows of the newest test set"
    path = directory / EXAMPLE_FILE
    try:
        instances = json.loads(path.read_bytes())["instances"]
        rows = {
            tensor.name: _column([row[tensor.name] for row in instances], tensor)
            for tensor in model.signature.inputs
        }
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"no test set fits the model, and {path} has no rows ({error})") from error
    return rows, f"rows of {path}"


def _column(values: list[Any], tensor: Tensor) -> np.ndarray:
    array = np.array(values, object)
    array[array == None] = tensor.empty  # noqa: E711  (compares elements)
    return array.astype(tensor.numpy_dtype)
