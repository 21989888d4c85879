"""The registry: MLflow runs, model versions and the alias `champion`. The only use of MLflow."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from .errors import UserError

CHAMPION = "champion"
MODEL = "model"


class RegistryError(UserError):
    """A tracking server that does not answer, or a version that it does not have."""


@dataclass(frozen=True)
class Version:
    """One registered model."""

    number: str
    run_id: str
    champion: bool
    created: datetime
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


class Registry:
    """One named model, and the runs that made its versions, on an MLflow tracking server."""

    def __init__(self, tracking_uri: str, name: str, artifact_location: str | None = None) -> None:
        self.uri, self.name, self.artifact_location = tracking_uri, name, artifact_location
        if tracking_uri.startswith("sqlite:///"):
            Path(tracking_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        with self._errors("open"):
            self.client = MlflowClient(tracking_uri, registry_uri=tracking_uri)

    def champion(self) -> Version | None:
        """The version in service, or None before the first one."""
        with self._errors("read"):
            try:
                found = self.client.get_model_version_by_alias(self.name, CHAMPION)
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise
            return self._version(found, found.version)

    def versions(self) -> list[Version]:
        """Every version, the newest first."""
        champion = self.champion()
        with self._errors("read"):
            found = self.client.search_model_versions(f"name = '{self.name}'")
            newest = sorted(found, key=lambda version: int(version.version), reverse=True)
            number = champion.number if champion else None
            return [self._version(each, number) for each in newest]

    def _version(self, found: Any, champion: str | None) -> Version:
        run = self.client.get_run(found.run_id)
        created = datetime.fromtimestamp(found.creation_timestamp / 1000)
        number = str(found.version)
        return Version(
            number, found.run_id, number == str(champion), created, run.data.tags, run.data.metrics
        )

    @contextmanager
    def model(self, version: Version) -> Iterator[Path]:
        """The exported model's directory of `version`, for the length of a `with` block."""
        with tempfile.TemporaryDirectory() as directory:
            with self._errors(f"download version {version.number} from"):
                path = self.client.download_artifacts(version.run_id, MODEL, directory)
            yield Path(path)

    def log_run(
        self,
        name: str,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        curves: Mapping[str, list[float]],
        tags: Mapping[str, str],
        artifacts: Mapping[str, Path],
    ) -> str:
        """Record one evaluated model and return the run's id. `artifacts` maps folders to paths."""
        with self._errors("write to"):
            run_id: str = self.client.create_run(self._experiment(), run_name=name).info.run_id
            self.client.log_batch(
                run_id,
                metrics=[Metric(key, value, 0, 0) for key, value in metrics.items()]
                + [
                    Metric(f"curve/{key}", value, 0, epoch)
                    for key, values in curves.items()
                    for epoch, value in enumerate(values, start=1)
                ],
                params=[Param(key, str(value)) for key, value in params.items()],
                tags=[RunTag(key, value) for key, value in tags.items()],
            )
            for folder, path in artifacts.items():
                log = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
                log(run_id, str(path), folder or None)
            self.client.set_terminated(run_id)
            return run_id

    def register(self, run_id: str) -> str:
        """Make the run's model a version and the champion; return the version's number.

        The alias moves last, in one write, so that a killed run leaves the old champion whole.
        A model whose file the champion already has stays that version.
        """
        champion = self.champion()
        with self._errors("write to"):
            run = self.client.get_run(run_id)
            if champion and champion.tags.get("model.sha256") == run.data.tags["model.sha256"]:
                return champion.number
            with suppress(MlflowException):  # it is there already
                self.client.create_registered_model(self.name)
            source = f"{run.info.artifact_uri}/{MODEL}"
            version = self.client.create_model_version(self.name, source, run_id)
            self.client.set_registered_model_alias(self.name, CHAMPION, version.version)
            return str(version.version)

    def _experiment(self) -> str:
        experiment = self.client.get_experiment_by_name(self.name)
        if experiment:
            return str(experiment.experiment_id)
        return str(self.client.create_experiment(self.name, self.artifact_location))

    @contextmanager
    def _errors(self, action: str) -> Iterator[None]:
        try:
            yield
        except (MlflowException, OSError) as error:
            text = " ".join(str(error).split())[:300]
            raise RegistryError(
                f"cannot {action} the registry at {self.uri} (registry.tracking_uri): {text}"
            ) from error
