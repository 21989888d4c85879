"""A registry of tiny models, and the section `deploy`, beside the service on loopback."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from serving.tiny_models import write_picture_model

import blueprint.deploy.endpoint  # noqa: F401  where an endpoint of Vertex AI serves
from blueprint.model import EXAMPLE_FILE, Model, digest
from blueprint.registry.client import Registry
from blueprint.registry.store import FILES_TAG
from blueprint.settings import Settings

IMAGE = f"europe-west4-docker.pkg.dev/digits-staging/team/digits-serving@sha256:{'a' * 64}"


@dataclass
class Project:
    """A configuration with an endpoint, and a registry whose versions are made by `train`."""

    load: Any
    given: list[str]
    folder: Path

    def settings(self, *overrides: str) -> Settings:
        """The configuration, with some of it overridden."""
        loaded: Settings = self.load(*self.given, *overrides)
        return loaded

    def registry(self) -> Registry:
        return Registry(**self.settings().registry.model_dump(), patient=False)

    def train(self, answer: int = 0, *, accepted: bool = True, promoted: bool = True) -> str:
        """Register a model that is sure of one class; the number of its version."""
        registry = self.registry()
        model = write_picture_model(self.folder / f"model {answer}", answer=answer)
        inputs = Model(model).example(2)
        example = {
            "instances": [{"image": each.tolist()} for each in inputs["image"]],
            "predictions": Model(model).predict(inputs).tolist(),
        }
        (model / EXAMPLE_FILE).write_text(json.dumps(example))
        (model / "empty.py").touch()
        facts = {"data.train_hash": "b" * 64, "git.commit": "c" * 40}
        tags = facts | {"verdict": "accepted" if accepted else "rejected"}
        run = registry.log_run(
            "run", params={}, metrics={}, curves={}, tags=tags, artifacts={"model": model}
        )
        version = registry.register(run, {FILES_TAG: digest(model)})
        if promoted:
            registry.promote(version.number, over=registry.champion(), tags={})
        return version.number


@pytest.fixture(scope="session")
def database(tmp_path_factory) -> Path:
    """An empty registry: MLflow takes seconds to make its tables."""
    path: Path = tmp_path_factory.mktemp("registry") / "mlflow.db"
    Registry(f"sqlite:///{path}", "digits", patient=False).champion()
    return path


@pytest.fixture
def project(stored, load, folder, database, tmp_path) -> Project:
    """A project whose bucket and endpoint are on loopback; nothing is served yet."""
    (folder / ".mlops").mkdir(exist_ok=True)
    shutil.copy(database, folder / ".mlops" / "mlflow.db")
    deploy = {
        "image": IMAGE,
        "quiet_seconds": 0,
        "timeout_seconds": 60,
        "canary": {"steps": [20, 100], "seconds": 1, "min_requests": 10, "latency": 1000},
    }
    vertex = {
        "project": stored.project,
        "location": "europe-west4",
        "pipeline_root": "gs://digits-staging/pipelines",
        "api_endpoint": stored.url,
        "poll_seconds": 0.05,
        "service_account": "pipelines@digits-staging.iam.gserviceaccount.com",
    }
    given = [f"deploy={json.dumps(deploy)}", f"vertex={json.dumps(vertex)}"]
    return Project(load, [*given, "registry.name=digits"], tmp_path)
