"""A real registry in SQLite, with versions that take no training."""

from collections.abc import Callable
from pathlib import Path

import pytest

from blueprint.monitoring.retraining import history  # noqa: F401  (else none of these is collected)
from blueprint.registry.client import Registry


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for one database: making its tables takes seconds."""
    return tmp_path_factory.mktemp("a server")


@pytest.fixture
def registry(server: Path, request: pytest.FixtureRequest) -> Registry:
    """A registry with a name of the test's own, and version 1 as its champion."""
    name = request.node.name.replace("[", "-").replace("]", "")
    made = Registry(f"sqlite:///{server}/mlflow.db", name, str(server / "artifacts"))
    number = register(made, "the first run", "accepted")
    made.promote(number, over=None, tags={})
    return made


@pytest.fixture(name="register")
def _register() -> Callable[[Registry, str, str], str]:
    return register


def register(registry: Registry, run: str, verdict: str) -> str:
    """Make a version as the training of a pipeline run leaves it."""
    nothing = {"params": {}, "metrics": {}, "curves": {}, "artifacts": {}}
    run_id = registry.log_run(run, tags={"pipeline.run": run}, **nothing)
    return registry.register(run_id, {"pipeline.run": run, "verdict": verdict}).number
