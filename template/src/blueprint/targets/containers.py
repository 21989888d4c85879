"""Steps in containers on this machine: `make run RUNNER=docker`, with Docker or podman's socket.

KFP lets the engine remove a container that has ended, and takes one that is gone before it asks for
the exit code for a success. Here a container stays until its code is known.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import docker
from docker.types import Mount
from kfp import local
from kfp.local import docker_task_handler

from ..errors import UserError
from ..settings import ENV_PREFIX
from .processes import report


def check_engine(image: str) -> None:
    """Raise a UserError unless an engine answers, and has the image."""
    try:
        client = docker.from_env()
        try:
            client.images.get(image)
        finally:
            client.close()
    except docker.errors.ImageNotFound:
        raise UserError(f"the engine has no {image}: `make images` builds it") from None
    except docker.errors.DockerException as error:
        raise UserError(
            f"no container engine answers ({error}): start it, or set DOCKER_HOST"
        ) from None


def runner(variables: dict[str, str]) -> local.DockerRunner:
    """KFP's runner: as this user, with the project's folder where it is, and its `MLOPS_…`.

    Relative paths in the configuration hold, and what steps write is this user's.
    """
    here = str(Path.cwd())
    given = {key: value for key, value in os.environ.items() if key.startswith(ENV_PREFIX)}
    return local.DockerRunner(
        user=f"{os.getuid()}:{os.getgid()}",
        mounts=[Mount(here, here, type="bind")],
        working_dir=here,
        network_mode="host",  # an address on this machine is the same in a step
        environment={**variables, **given},
    )


@contextmanager
def exit_codes() -> Iterator[None]:
    """Inside, KFP runs containers with `run_container`."""
    with patch.object(docker_task_handler, "run_docker_container", run_container):
        yield


def run_container(
    client: Any, image: str, command: Sequence[str], volumes: dict[str, Any], **options: Any
) -> int:
    """Run a container to its end, print its log on the way, and return its exit code."""
    container = client.containers.run(
        image=image, command=command, detach=True, volumes=volumes, **options
    )
    try:
        for line in container.logs(stream=True, follow=True):
            print(line.decode(errors="replace"), end="")
        code = int(container.wait()["StatusCode"])
        report(command, code)
        return code
    finally:
        container.remove(force=True)  # also when a person has had enough
