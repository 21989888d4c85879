"""A container engine for the tests, and the base images that it can have here."""

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

# Set where nothing may be skipped for want of a part: .ci/run.
REQUIRED = "REQUIRE_ENGINE"
# Where no registry is: an image in the engine that is as good as python:X.Y-slim.
STANDIN = "STANDIN_PYTHON"
# What a build may leave behind.
LEFT = r"/(\.cache|pip|uv)/|/var/lib/apt/lists/.+|/\.netrc$|/run/secrets/."
# As a cluster that trusts nobody runs a container: docs/images.md of a project.
RESTRICTED = (
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--user=12345:54321",
)


def lacking(what: str, install: str) -> None:
    """Skip a test for want of a part; fail it where every part must be there."""
    text = f"{what}: {install}"
    if os.environ.get(REQUIRED):
        pytest.fail(text)
    pytest.skip(text)


def docker(*arguments: str, check: bool = True, timeout: float = 300) -> str:
    """What `docker ARGUMENTS` prints; an AssertionError with its words when it fails."""
    command = ["docker", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout.strip() if done.returncode == 0 else ""


def logs(container: str) -> str:
    """What a container said, on both streams."""
    command = ["docker", "logs", container]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    )
    return done.stdout


@cache
def unusable() -> str:
    """What is wrong with the engine, "" when nothing is."""
    if not shutil.which("docker"):
        return "there is no docker"
    for part in ("buildx", "compose"):
        if not docker(part, "version", check=False):
            return f"docker has no {part}"
    return "" if docker("info", check=False) else "docker does not answer"


def need_engine() -> None:
    if reason := unusable():
        packages = "docker.io docker-cli docker-buildx docker-compose"
        lacking(reason, f"apt-get install {packages}, and start it")


@cache
def has(image: str) -> bool:
    """Whether the engine has an image, or can pull it."""
    if docker("image", "inspect", image, check=False):
        return True
    try:
        docker("pull", "--quiet", image, timeout=180)
    except (AssertionError, subprocess.TimeoutExpired):
        return False
    return True


def base_of(project: Path, kind: str = "serving") -> str:
    """The image that the project's Dockerfiles start from."""
    text = (project / "docker" / f"{kind}.Dockerfile").read_text()
    found = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", text, re.MULTILINE)
    assert found, text
    return found[1]


def build_arguments(project: Path, kind: str = "serving") -> str:
    """What `make images ARGS=…` must say here: nothing, but where a stand-in is the base."""
    base, standin = base_of(project, kind), os.environ.get(STANDIN, "")
    if has(base):
        return ""
    if not standin or not has(standin):
        lacking(f"{base} cannot be pulled", "give the engine a registry")
    return f"--build-context={base}=docker-image://{standin}"


def python_image(project: Path) -> str:
    """The base itself, by a name that the engine has."""
    return os.environ[STANDIN] if build_arguments(project) else base_of(project)


def inspect(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("image", "inspect", image))[0]
    return found


def files(image: str) -> list[str]:
    """The path of every file and folder in an image."""
    return docker("run", "--rm", "--user=0", "--entrypoint=find", image, "/", "-xdev").splitlines()


def saved(image: str, base: str) -> Iterator[tuple[str, bytes]]:
    """Every file in every layer that an image has beside its base, its configuration included."""
    own = set(inspect(image)["RootFS"]["Layers"]) - set(inspect(base)["RootFS"]["Layers"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.tar"
        docker("save", "--output", str(path), image)
        with tarfile.open(path) as outer:
            manifest = json.load(outer.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
            config = outer.extractfile(manifest["Config"]).read()  # type: ignore[union-attr]
            yield "config", config
            ids = json.loads(config)["rootfs"]["diff_ids"]
            for digest, name in zip(ids, manifest["Layers"], strict=True):
                if digest not in own:
                    continue
                layer = outer.extractfile(name)
                with tarfile.open(fileobj=layer or io.BytesIO(), mode="r:*") as inner:
                    for member in inner:
                        content = inner.extractfile(member) if member.isfile() else None
                        yield member.name, content.read() if content else b""
