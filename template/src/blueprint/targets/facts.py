"""What a run records of the project as it is: the commit, the lock, and a reading of the data."""

import hashlib
import subprocess
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from .. import pipelines
from ..data.settings import Data
from ..errors import UserError
from ..settings import Settings
from . import code


def of_run(settings: Settings, *, cache: bool = True) -> dict[str, str]:
    """The arguments that each run gives to its pipeline by itself."""
    wanted = settings.pipeline.step("load_data").cache
    cached = settings.data.cached if wanted is None else bool(wanted)
    return {
        "revision": revision(),
        "lock": lock_hash(),
        "snapshot": snapshot(settings.data, cache and cached),
    }


def snapshot(data: Data, cache: bool) -> str:
    """What tells two readings of a source apart.

    Files are told apart by their names, sizes and times, if `cache` is set; a database then counts
    as one that never changes. What is not known to be the same is told apart by the time.
    """
    if data.fixed:
        return ""
    if cache:
        with suppress(UserError):  # load_data says what is wrong, and better
            return data.version()
    return datetime.now().isoformat()


def revision() -> str:
    """The git commit of the project, "unknown" where there is none; "-dirty" with changes."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def lock_hash() -> str:
    """The SHA-256 of uv.lock, which pins every package; "unknown" where there is none."""
    lock = Path("uv.lock")
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else "unknown"


def fingerprint() -> str:
    """A hash of the code and the packages that the steps run: an image must not outlive either."""
    return code.fingerprint(*(f"import {module}" for module in pipelines.modules()))
