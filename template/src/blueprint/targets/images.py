"""The project's images: built from docker/ by the engine at hand, tagged with the commit, pushed.

`build/images.json` remembers what was built and pushed, for runs in containers and in pods. Beside
it is what is in each image: `build/<kind>.cdx.json`, a CycloneDX SBOM of the lock.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from .. import rooms
from ..errors import UserError
from ..settings import Settings
from .facts import fingerprint

FILE = Path("build/images.json")
KINDS = ("pipeline", "serving", "fetch", "monitoring")
DOCKERFILE = "docker/{}.Dockerfile"  # of a kind, where the project has it
ENGINES = ("docker", "podman")
CONTENT = ("config", "docker", "pyproject.toml", "src", "uv.lock")  # what images are made of
# What a closed network says to pip, uv and every program: docs/images.md.
NETWORK = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "PIP_INDEX_URL", "UV_DEFAULT_INDEX"]
TRAINING = "TRAINING_GROUP"  # another group than `training`, for a GPU
FROM_ENVIRONMENT = ["PYTHON_IMAGE", "TF_SERVING_IMAGE", TRAINING, *NETWORK]
SECRETS = {"ca_bundle": "CA_BUNDLE", "netrc": "NETRC"}  # files that variables name


@dataclass(frozen=True)
class Image:
    """A built image. `code` is the fingerprint of its steps; `pushed` is its digest reference."""

    reference: str
    code: str
    megabytes: int
    pushed: str = ""


def kinds_here() -> list[str]:
    """The images of this project."""
    return [kind for kind in KINDS if Path(DOCKERFILE.format(kind)).exists()]


def build(
    settings: Settings, arguments: Sequence[str] = (), kinds: Sequence[str] = ()
) -> dict[str, Image]:
    """Build the images, by default all, and remember them. `arguments` go to the engine's `build`.

    Raises UserError when there is no engine, no commit, no lock, or the build fails.
    """
    engine = find_engine()
    if not Path("uv.lock").exists():
        raise UserError("uv.lock is missing: `make setup` writes it, and the images are made of it")
    version, code, built = tag(), fingerprint(), {}
    for kind in kinds or kinds_here():
        reference = f"{settings.images.name(kind)}:{version}"
        print(f"{reference} …", flush=True)
        start = time.perf_counter()
        run(engine, [*_build(engine, kind, reference), *arguments, "."])
        _write_sbom(kind)
        size = ask(engine, "image", "inspect", "--format", "{{.Size}}", reference) or "0"
        built[kind] = Image(reference, code, round(int(size) / 1e6))
        seconds = time.perf_counter() - start
        print(f"{reference}  {built[kind].megabytes} MB  {seconds:.1f} s", flush=True)
    if _changes():
        print("there are changes that no commit holds, so the tags say -dirty:", *_changes())
    remember(recorded() | built)
    return built


def push(settings: Settings, registry: str | None, only: Sequence[str] = ()) -> dict[str, Image]:
    """Push what was built to `registry` (default: images.registry), and remember the digests."""
    registry = (registry or settings.images.registry or "").rstrip("/")
    if not registry:
        raise UserError("push where? `make push REGISTRY=example.com/team`, or images.registry")
    engine, built, kinds = find_engine(), recorded(), only or kinds_here()
    if not built.keys() >= {*kinds}:
        raise UserError("there is nothing to push: run `make images` first")
    pushed = {}
    for kind in kinds:
        image = built[kind]
        target = f"{registry}/{image.reference}"
        run(engine, ["tag", image.reference, target])
        run(engine, ["push", target], f"log in first: `{engine} login {registry.split('/')[0]}`")
        pushed[kind] = replace(image, pushed=_digest(engine, target))
        print(pushed[kind].pushed, flush=True)
    remember(built | pushed)
    return pushed


def recorded() -> dict[str, Image]:
    """What was built last, by kind; empty before the first time."""
    try:
        return {kind: Image(**fields) for kind, fields in json.loads(FILE.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as error:
        raise UserError(f"{FILE} is damaged ({error}): `make images` writes it again") from None


def own(text: str, there: Collection[str]) -> str | None:
    """The kind of image, of those, that a step has for itself, by the step's source or command."""
    kinds = [pair for room in rooms("settings") for pair in getattr(room, "IMAGES", {}).items()]
    return next((kind for step, kind in kinds if kind in there and f"def {step}(" in text), None)


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
    reasons = {name: _unusable(name) for name in names}
    for name, reason in reasons.items():
        if not reason:
            return name
    text = "\n".join(f"{name}: {reason}" for name, reason in reasons.items())
    raise UserError(text or "no container engine: install Docker (23 or later) or podman")


def _unusable(engine: str) -> str:
    """Why the engine cannot build, "" when it can."""
    if not shutil.which(engine):
        return "it is not on the PATH"
    if engine == "docker" and ask("docker", "buildx", "version") is None:
        return "it lacks buildx, which builds: install docker-buildx (or docker-buildx-plugin)"
    if ask(engine, "info") is None:
        return "it does not answer: start it, or set DOCKER_HOST"
    return ""


def tag() -> str:
    """The commit, twelve digits of it; with changes, `-dirty-` and a hash of what is built."""
    if not (commit := commit_here()):
        raise UserError("images are tagged with the commit, and there is none: `git commit` first")
    if not _changes():
        return commit[:12]
    digest = hashlib.sha256()
    listed = ask("git", "ls-files", "-co", "--exclude-standard", "--", *CONTENT) or ""
    for path in map(Path, sorted(listed.splitlines())):
        if path.is_file():
            digest.update(f"{path} ".encode() + hashlib.sha256(path.read_bytes()).digest())
    return f"{commit[:12]}-dirty-{digest.hexdigest()[:12]}"


def commit_here() -> str:
    """The commit, "" where there is none."""
    return ask("git", "rev-parse", "--quiet", "--verify", "HEAD") or ""


def _changes() -> list[str]:
    """The files of images that differ from the commit, or are in none."""
    listed = ask("git", "status", "--porcelain", "--untracked-files=all", "--", *CONTENT) or ""
    return [line.split(maxsplit=1)[1] for line in listed.splitlines()]


def _write_sbom(kind: str) -> None:
    """Write what the lock puts into an image, with the hash of each file, as CycloneDX."""
    uv = os.environ.get("UV") or shutil.which("uv") or ".tools/bin/uv"
    command = [uv, "export", "--quiet", "--locked", "--format", "cyclonedx1.5"]
    installed = re.search(r"sh /install\.sh (.+)", Path(DOCKERFILE.format(kind)).read_text())
    groups = installed[1] if installed else f"--group {kind}"
    groups = groups.replace(f'"${TRAINING}"', os.environ.get(TRAINING) or "training")
    command += ["--no-default-groups", *groups.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"`uv export` failed: {done.stderr.strip()}")
    FILE.parent.mkdir(exist_ok=True)
    (FILE.parent / f"{kind}.cdx.json").write_text(done.stdout)


def _build(engine: str, kind: str, reference: str) -> list[str]:
    # Without its own format podman leaves HEALTHCHECK out.
    command = ["buildx", "build", "--load"] if engine == "docker" else ["build", "--format=docker"]
    command += ["--file", DOCKERFILE.format(kind), "--tag", reference]
    labels = {
        "REVISION": commit_here() + ("-dirty" if _changes() else ""),
        "SOURCE": re.sub(r"//[^/]*@", "//", ask("git", "remote", "get-url", "origin") or ""),
        "VERSION": reference.rpartition(":")[2],
    }
    given = {name: os.environ[name] for name in FROM_ENVIRONMENT if os.environ.get(name)}
    for name, value in (labels | given).items():
        command += ["--build-arg", f"{name}={value}"]
    for secret, variable in SECRETS.items():
        if path := os.environ.get(variable):
            if not Path(path).is_file():
                raise UserError(f"{variable}={path}: there is no such file")
            command += ["--secret", f"id={secret},src={path}"]
    return command


def _digest(engine: str, target: str) -> str:
    digests = ask(engine, "image", "inspect", "--format", '{{join .RepoDigests " "}}', target)
    name = target.rpartition(":")[0]
    found = [each for each in (digests or "").split() if each.startswith(f"{name}@")]
    if not found:
        raise UserError(f"{target}: {engine} knows no digest of it")
    return found[0]


def remember(images: dict[str, Image]) -> None:
    FILE.parent.mkdir(exist_ok=True)
    text = json.dumps({kind: asdict(image) for kind, image in images.items()}, indent=2)
    FILE.with_suffix(".new").write_text(text + "\n")
    FILE.with_suffix(".new").replace(FILE)


def run(engine: str, arguments: Sequence[str], hint: str = "") -> None:
    """Run the engine, its output for people to see. Raises UserError when it fails."""
    done = subprocess.run([engine, *arguments], check=False)
    if done.returncode:
        what = " ".join([engine, *arguments[:2]])
        raise UserError(f"`{what} …` failed, as it says above" + (f"; {hint}" if hint else ""))


def ask(*command: str) -> str | None:
    """What a program prints, or None when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
