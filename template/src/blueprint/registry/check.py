"""The registry before a run: does it answer, is the login right, is what a run needs in it?

`make run` checks while KFP is imported. In a pod, `load_data` checks first: its cached result
proves that pods reached this registry before, for the registry is a part of its key.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..errors import UserError

# Unless the environment says otherwise: each of these few requests is answered soon, or not at all.
SOON = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}


@contextmanager
def soon() -> Iterator[None]:
    """Have MLflow give up within seconds, for the length of a `with` block."""
    added = {name: value for name, value in SOON.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def check(**registry: Any) -> str:
    """Say what the registry holds, in a few requests. `registry` is that section's keys.

    Raises `UserError` where a run would fail: nothing answers, a login is missing, a database
    cannot be read or written, its experiment was deleted, or the champion's files are gone.
    """
    from .client import MODEL, Registry, existing  # it imports MLflow, which takes seconds

    with soon():
        found = Registry(**registry, patient=False)
        name, uri = found.name, found.uri
        with found.errors("read"):
            experiment = found.client.get_experiment_by_name(name)
        if experiment and experiment.name != name:
            raise UserError(f"no MLflow answers at {uri}: correct registry.tracking_uri")
        if experiment and experiment.lifecycle_stage != "active":
            raise UserError(
                f"the experiment {name} was deleted in the registry at {uri}: "
                f"`MLFLOW_TRACKING_URI={uri} uv run mlflow experiments restore "
                f"--experiment-id {experiment.experiment_id}`, or name another in registry.name"
            )
        champion = found.champion()
        if champion is None:
            return f"{uri}: no champion yet"
        with found.errors(f"read version {champion.number} in"):
            if existing(found.client.list_artifacts, champion.run_id, MODEL):
                return f"{uri}: version {champion.number} is the champion"
    raise UserError(
        f"version {champion.number} of {name}, the champion, has no model any more, so nothing "
        "can be compared with it: `make promote VERSION=…` makes another version the champion"
    )


def begin(registry: Mapping[str, Any]) -> Callable[[], str]:
    """Start `check` in a process of its own, as MLflow takes seconds to import; the returned
    function waits for it, and returns or raises what it found."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, json.dumps(registry)],
        env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def finish() -> str:
        output, errors = process.communicate()
        if process.returncode:
            raise UserError(output.strip() or f"the registry cannot be read: {errors[-300:]}")
        return output.strip()

    return finish


if __name__ == "__main__":
    try:
        print(check(**json.loads(sys.argv[1])))
    except UserError as problem:
        print(problem)
        raise SystemExit(1) from None
