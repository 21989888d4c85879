"""The registry is asked before anything slow starts: is it there, may we, is what we need in it?

`make run` asks while KFP is imported. In a pod, `load_data` asks first: its cached result proves
that pods reached this registry before, for the registry is a part of its key.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from ..errors import UserError

if TYPE_CHECKING:
    from .client import Registry, Version

SECONDS, RETRIES = 10, 1  # for each of the few requests


def check(**registry: Any) -> str:
    """Say what the registry holds, in a few requests. `registry` is that section's keys.

    Raises `RegistryError` where a run would fail: nobody answers, a login is missing, a database
    cannot be read or written, its experiment was deleted, or the champion's files are gone.
    """
    from .client import attended  # it imports MLflow

    patience = {"MLFLOW_HTTP_REQUEST_TIMEOUT": SECONDS, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": RETRIES}
    with patch.dict(os.environ, {key: str(value) for key, value in patience.items()} | os.environ):
        found = attended(**registry)
        _check_experiment(found)
        champion = found.champion()
        if champion is None:
            return f"{found.uri}: no champion yet"
        _check_model(found, champion)
        return f"{found.uri}: version {champion.number} is the champion"


def begin(registry: Mapping[str, Any]) -> Callable[[], None]:
    """Start the check in a process of its own, as MLflow takes a second to import; the returned
    function waits for it and raises what it found."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, json.dumps(registry)],
        env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def finish() -> None:
        said, printed = process.communicate()
        if process.returncode:
            raise UserError(said.strip() or f"the registry cannot be asked: {printed[-300:]}")

    return finish


def _check_experiment(registry: "Registry") -> None:
    """Raise a UserError unless the experiment is there, or can be made."""
    from .errors import errors

    with errors("read", registry.uri):
        found = registry.client.get_experiment_by_name(registry.name)
    if found and found.name != registry.name:
        raise UserError(f"no MLflow answers at {registry.uri}: correct registry.tracking_uri")
    if found and found.lifecycle_stage != "active":
        raise UserError(
            f"the experiment {registry.name} was deleted in the registry at {registry.uri}: "
            f"`MLFLOW_TRACKING_URI={registry.uri} uv run mlflow experiments restore "
            f"--experiment-id {found.experiment_id}`, or name another in registry.name"
        )


def _check_model(registry: "Registry", champion: "Version") -> None:
    """Raise a UserError unless the champion's model can be fetched."""
    from mlflow.exceptions import MlflowException

    from .client import MODEL, NOT_THERE
    from .errors import errors

    with errors(f"read version {champion.number} in", registry.uri):
        try:
            files = registry.client.list_artifacts(champion.run_id, MODEL)
        except MlflowException as error:
            if error.error_code not in NOT_THERE:
                raise
            files = []
    if not files:
        raise UserError(
            f"version {champion.number} of {registry.name}, the champion, has no model any more, "
            "so nothing can be compared with it: `make promote VERSION=…` takes another version"
        )


if __name__ == "__main__":
    try:
        print(check(**json.loads(sys.argv[1])))
    except UserError as problem:
        print(problem)
        raise SystemExit(1) from None
