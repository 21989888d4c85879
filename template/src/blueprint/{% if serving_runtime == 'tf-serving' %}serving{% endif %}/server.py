"""The server process: `run` has a container engine run TensorFlow Serving until told to end."""

import os
import signal
import socket
import subprocess

from ..errors import UserError
from ..registry import store
from ..targets.images import find_engine
from .settings import Serving

DOCKERFILE = "docker/serving.Dockerfile"
PORT = 8080  # in the container


def run(serving: Serving, name: str) -> None:
    """Serve the store's current model until SIGTERM or Ctrl-C; deployments are followed.

    Raises UserError when no model is deployed, the port is taken, or there is no engine.
    """
    folder = serving.folder()
    deployed = store.current(folder, name)
    if deployed is None:
        raise UserError(f"no model of {name} is in service in {folder}: run `make run` first")
    deployed.verify()
    if not (deployed.folder / "saved_model").is_dir():
        text = f"version {deployed.version} has no SavedModel: `make run` makes one that has"
        raise UserError(text)
    _check_port(serving.host, serving.port)
    try:
        engine = find_engine()
    except UserError as error:
        raise UserError(
            f"TensorFlow Serving runs in a container, and there is none to be had here: {error}"
        ) from None
    image = f"{name}-serving:local"
    build = [engine, "build", "--file", DOCKERFILE, "--tag", image]
    if official := os.environ.get("TF_SERVING_IMAGE"):
        build.append(f"--build-arg=TF_SERVING_IMAGE={official}")
    build.append(".")
    if subprocess.run(build, check=False).returncode:
        raise UserError(f"`{engine} build` failed, as it says above")
    url = f"http://{serving.host}:{serving.port}/v1/models/{name}:predict"
    print(f"{url} (Ctrl-C stops it)", flush=True)
    command = [engine, *_run(serving, name, image)]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.execvp(command[0], command)  # the engine hands signals on, and ends with the container


def _run(serving: Serving, name: str, image: str) -> list[str]:
    return [
        "run",
        "--rm",
        "--read-only",
        "--tmpfs=/tmp",
        "--cap-drop=ALL",
        f"--user={os.getuid()}:{os.getgid()}",  # the store may be this user's alone
        f"--publish={serving.host}:{serving.port}:{PORT}",
        f"--volume={serving.folder().resolve()}:/models:ro",
        f"--env=MODEL_NAME={name}",
        image,
    ]


def _check_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            hint = f"stop what uses it, or `make serve PORT={port + 1}`"
            raise UserError(f"cannot listen on {host}:{port} ({error.strerror}): {hint}") from error
