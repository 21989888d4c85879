"""Steps in containers on this machine: `make run RUNNER=docker`, with Docker or podman's socket.

KFP's own runner lets the engine remove a container that has ended, and counts one that is gone
before its exit code is asked for as a success. Here a container stays until its code is known.
"""

import os
from contextlib import suppress
from pathlib import Path

import docker
import requests
from docker.types import Mount

from ..errors import UserError
from ..settings import ENV_PREFIX
from . import images
from .processes import QUIET, Start

FAULTS = (docker.errors.DockerException, requests.RequestException)  # what its client raises


def starter(image: str) -> Start:
    """A function that runs a step's command in a container of the image, or of the step's own.

    It runs as this user, with the project's folder where it is, this machine's network and its
    `MLOPS_…`: relative paths and addresses in the configuration hold. Raises a UserError unless an
    engine answers, and has the image; so does the function when the engine gives up on the way.
    """
    try:
        client = docker.from_env()
        client.images.get(image)
    except docker.errors.ImageNotFound:
        raise UserError(f"the engine has no {image}: `make images` builds it") from None
    except docker.errors.DockerException as error:
        raise UserError(f"no engine answers ({error}): start it, or set DOCKER_HOST") from None
    built = images.recorded()
    here = str(Path.cwd())
    given = {key: value for key, value in os.environ.items() if key.startswith(ENV_PREFIX)}

    def start(command: list[str], variables: dict[str, str] | None = None) -> int:
        try:
            return _run(command, variables)
        except FAULTS as error:
            reason = getattr(error, "explanation", None) or error
            raise UserError(f"the container engine failed: {reason}") from None

    def _run(command: list[str], variables: dict[str, str] | None) -> int:
        kind = images.own(" ".join(command), built)
        container = client.containers.create(
            built[kind].reference if kind else image,
            command,
            user=f"{os.getuid()}:{os.getgid()}",
            mounts=[Mount(here, here, type="bind")],
            working_dir=here,
            network_mode="host",
            environment={**(variables or {}), **QUIET, **given},
        )
        try:
            container.start()
            for part in container.logs(stream=True, follow=True):
                print(part.decode(errors="replace"), end="")
            return int(container.wait()["StatusCode"])
        finally:
            with suppress(*FAULTS):  # what is wrong is known by then
                container.remove(force=True)  # also when a person has had enough

    return start
