"""Is what is served the registry's champion, by its hash? And what to run when it is not."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .. import settings
from ..errors import UserError
from ..settings import Settings
from . import store
from .check import soon


def difference(loaded: Settings) -> str | None:
    """How the model in service differs from the registry's champion, and what to run; None when
    it does not, or when there is no store. Raises RegistryError, StoreError.
    """
    folder, name, uri = loaded.serving.store, loaded.registry.name, loaded.registry.tracking_uri
    if folder is None:
        return None
    deployed, champion = store.current(folder, name), None
    if not uri.startswith("sqlite:///") or Path(uri[len("sqlite:///") :]).exists():  # or it is made
        from .client import connect  # it imports MLflow, which takes seconds

        with soon():
            champion = connect(loaded.registry).champion()
    if champion is None:
        if deployed is None:
            return f"no model of {name} is in service: `make run` trains and deploys one"
        problem = "the registry has no champion (registry.tracking_uri): `make run`, or correct the"
        return f"version {deployed.version} of {name} is in service, and {problem} address"
    fix = f"`make promote VERSION={champion.number}` puts it in service"
    if deployed is None:
        return f"version {champion.number} of {name}, the champion, is not in {folder} yet: {fix}"
    if deployed.version != champion.number:
        problem = f"version {champion.number} is the champion: {fix}"
        return f"version {deployed.version} of {name} is in service, and {problem}"
    if deployed.differs(champion.tags):
        served = f"what is in service as version {deployed.version} of {name} is another model"
        return f"{served} than the registry's (their SHA-256 differ): {fix}"
    return None


@contextmanager
def compared(loaded: Settings, overrides: Sequence[str]) -> Iterator[None]:
    """Have what is served compared with the registry beside the server, in a process of its own,
    which may print one warning. Raises UserError where there is nothing to serve.
    """
    folder, name = loaded.serving.store, loaded.registry.name
    if folder and store.current(folder, name) is None:
        try:
            problem = difference(loaded)
        except UserError as error:
            problem = f"no model of {name} is in {folder}: {error}"
        raise UserError(problem)
    process = subprocess.Popen([sys.executable, "-m", __name__, *overrides])
    try:
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    os.nice(10)  # the server starts meanwhile
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        warning = difference(settings.load(overrides=sys.argv[1:]))
    except UserError as error:
        warning = f"what is in service could not be compared with the registry: {error}"
    if warning:
        print(f"warning: {warning}", file=sys.stderr, flush=True)
