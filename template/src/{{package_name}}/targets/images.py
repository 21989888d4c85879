"""The project's images: built from docker/ by the engine at hand, tagged with the commit, pushed.

`build/images.json` remembers what was built and pushed; `make compile` and `make run RUNNER=docker`
read it.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..errors import UserError
from ..settings import Settings
from .local import fingerprint, revision

FILE = Path("build/images.json")
KINDS = ("pipeline", "serving")
ENGINES = ("docker", "podman")
# What a closed network says to pip, uv and every program: docs/images.md.
NETWORK = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "PIP_INDEX_URL", "UV_DEFAULT_INDEX"]
FROM_ENVIRONMENT = ["PYTHON_IMAGE", *NETWORK]
SECRETS = {"ca_bundle": "CA_BUNDLE", "netrc": "NETRC"}  # files that variables name


@dataclass(frozen=True)
class Image:
    """A built image. `code` is the fingerprint of what it holds; `pushed` its digest reference."""

    reference: str
    code: str
    megabytes: int
    pushed: str = ""


def build(
    settings: Settings, arguments: Sequence[str] = (), kinds: Sequence[str] = KINDS
) -> dict[str, Image]:
    """Build the images and remember them. `arguments` go to the engine's `build`.

    Raises UserError when there is no engine, no commit, no lock, or the build fails.
    """
    engine = find_engine()
    if not Path("uv.lock").exists():
        raise UserError("uv.lock is missing: `make setup` writes it, and the images are made of it")
    tag, code = _tag(), fingerprint()
    built = {}
    for kind in kinds:
        reference = f"{settings.images.name(kind)}:{tag}"
        print(f"{reference} …", flush=True)
        start = time.perf_counter()
        _run(engine, [*_build(engine, kind, reference), *arguments, "."])
        built[kind] = Image(reference, code, _megabytes(engine, reference))
        seconds = time.perf_counter() - start
        print(f"{reference}  {built[kind].megabytes} MB  {seconds:.1f} s", flush=True)
    if tag.endswith(code):
        print("there are changes that no commit holds: the tags say -dirty")
    _remember(recorded() | built)
    return built


def push(settings: Settings, registry: str | None) -> dict[str, Image]:
    """Push what was built to `registry` (default: images.registry), and remember the digests."""
    registry = (registry or settings.images.registry or "").rstrip("/")
    if not registry:
        raise UserError(
            "push where? `make push REGISTRY=registry.example.com/team`, or images.registry"
        )
    engine, built = find_engine(), recorded()
    if not built:
        raise UserError("there is nothing to push: run `make images` first")
    pushed = {}
    for kind in KINDS:
        image = built[kind]
        target = f"{registry}/{image.reference}"
        _run(engine, ["tag", image.reference, target])
        _run(engine, ["push", target], f"log in first: `{engine} login {registry.split('/')[0]}`")
        pushed[kind] = replace(image, pushed=_digest(engine, target))
        print(pushed[kind].pushed, flush=True)
    _remember(built | pushed)
    return pushed


def recorded() -> dict[str, Image]:
    """What was built last, by kind; empty before the first time."""
    try:
        return {kind: Image(**fields) for kind, fields in json.loads(FILE.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as error:
        raise UserError(f"{FILE} is damaged ({error}): `make images` writes it anew") from None


def pipeline_image(settings: Settings) -> str:
    """The image that a compiled pipeline names: the configured one, or what was pushed or built,
    or else what `make images` would build."""
    if settings.pipeline.image:
        return settings.pipeline.image
    image = recorded().get("pipeline")
    if image:
        return image.pushed or image.reference
    return f"{settings.images.name('pipeline')}:{_tag() if revision() != 'unknown' else 'unbuilt'}"


def current_pipeline_image() -> str:
    """The image of the code as it is now, for a run on this machine, or a UserError."""
    image = recorded().get("pipeline")
    if image is None:
        raise UserError("there is no image yet: run `make images` first")
    if image.code != fingerprint():
        raise UserError(f"the code is no longer that of {image.reference}: `make images` again")
    return image.reference


def find_engine() -> str:
    """The program that builds: CONTAINER_ENGINE, or the first there is. Raises UserError."""
    wanted = os.environ.get("CONTAINER_ENGINE")
    names = [wanted] if wanted else [name for name in ENGINES if shutil.which(name)]
    if not names:
        raise UserError("no container engine: install Docker (23 or later) or podman")
    reasons = []
    for name in names:
        reason = _unusable(name)
        if not reason:
            return name
        reasons.append(f"{name}: {reason}")
    raise UserError("\n".join(reasons))


def _unusable(engine: str) -> str:
    """Why the engine cannot build, "" when it can."""
    if not shutil.which(engine):
        return "it is not on the PATH"
    if engine == "docker" and _ask("docker", "buildx", "version") is None:
        return "it lacks buildx, which builds: install docker-buildx (or docker-buildx-plugin)"
    if _ask(engine, "info") is None:
        return "it does not answer: start it, or set DOCKER_HOST"
    return ""


def _tag() -> str:
    """The commit, twelve digits of it; with changes, `-dirty-` and the code's fingerprint."""
    commit = revision()
    if commit == "unknown":
        raise UserError("images are tagged with the commit, and there is none: `git commit` first")
    hash_, dirty, _ = commit.partition("-dirty")
    return hash_[:12] + (f"-dirty-{fingerprint()}" if dirty else "")


def _build(engine: str, kind: str, reference: str) -> list[str]:
    command = {"docker": ["buildx", "build", "--load"]}.get(engine, ["build"])
    command += ["--file", f"docker/{kind}.Dockerfile", "--tag", reference]
    labels = {"REVISION": revision(), "SOURCE": _source()}
    given = {name: os.environ[name] for name in FROM_ENVIRONMENT if os.environ.get(name)}
    for name, value in (labels | given).items():
        command += ["--build-arg", f"{name}={value}"]
    for secret, variable in SECRETS.items():
        if path := os.environ.get(variable):
            if not Path(path).is_file():
                raise UserError(f"{variable}={path}: there is no such file")
            command += ["--secret", f"id={secret},src={path}"]
    return command


def _source() -> str:
    """The repository's address, without a login that may be in it."""
    remote = _ask("git", "remote", "get-url", "origin") or ""
    scheme, separator, rest = remote.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else remote


def _megabytes(engine: str, reference: str) -> int:
    size = _ask(engine, "image", "inspect", "--format", "{{.Size}}", reference) or "0"
    return round(int(size) / 1e6)


def _digest(engine: str, target: str) -> str:
    digests = _ask(engine, "image", "inspect", "--format", '{{join .RepoDigests " "}}', target)
    name = target.rpartition(":")[0]
    found = [each for each in (digests or "").split() if each.startswith(f"{name}@")]
    if not found:
        raise UserError(f"{target}: {engine} knows no digest of it")
    return found[0]


def _remember(images: dict[str, Image]) -> None:
    FILE.parent.mkdir(exist_ok=True)
    new = FILE.with_suffix(".new")
    text = json.dumps({kind: asdict(image) for kind, image in images.items()}, indent=2)
    new.write_text(text + "\n")
    new.replace(FILE)


def _run(engine: str, arguments: Sequence[str], hint: str = "") -> None:
    """Run the engine, its output for people to see. Raises UserError when it fails."""
    done = subprocess.run([engine, *arguments], check=False)
    if done.returncode:
        what = " ".join([engine, *arguments[:2]])
        raise UserError(f"`{what} …` failed, as it says above" + (f"; {hint}" if hint else ""))


def _ask(*command: str) -> str | None:
    """What a program prints, or None when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
