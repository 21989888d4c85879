"""The registry: MLflow runs, model versions and the alias `champion`. The only use of MLflow."""

import logging
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from .errors import UserError

CHAMPION = "champion"
MODEL = "model"
BEFORE = "promoted.before"
CLAIM = "promoting"
CLAIM_SECONDS = 60
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class RegistryError(UserError):
    """A tracking server that does not answer, or a version that it does not have."""


class ChampionMovedError(UserError):
    """Another version became the champion, or is about to: nothing was changed."""


@dataclass(frozen=True)
class Version:
    """One registered model. `tags` are its run's and its own; its own win."""

    number: str
    run_id: str
    aliases: tuple[str, ...]
    created: datetime
    tags: Mapping[str, str]
    metrics: Mapping[str, float]

    @property
    def champion(self) -> bool:
        return CHAMPION in self.aliases

    @property
    def accepted(self) -> bool:
        return self.tags.get("verdict") == "accepted"

    @property
    def before(self) -> list[str]:
        """The champions before this one became it, the oldest first."""
        return self.tags.get(BEFORE, "").split()


def attended(tracking_uri: str, name: str, artifact_location: str | None = None) -> "Registry":
    """The registry for a command that somebody waits for: a server that is not there is said after
    3 tries, where MLflow makes 8 in four minutes. A step of a pipeline has that patience.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    return Registry(tracking_uri, name, artifact_location)


class Registry:
    """One named model, and the runs that made its versions, on an MLflow tracking server."""

    def __init__(self, tracking_uri: str, name: str, artifact_location: str | None = None) -> None:
        self.uri, self.name, self.artifact_location = tracking_uri, name, artifact_location
        if tracking_uri.startswith("sqlite:///"):
            Path(tracking_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            # It announces the tables of a new database, which is nobody's mistake.
            logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        for direction in ("UPLOAD", "DOWNLOAD"):
            # Files go through the tracking server: the address of its store, which it would hand
            # out otherwise, is often one that only the server reaches.
            os.environ.setdefault(f"MLFLOW_ENABLE_PROXY_MULTIPART_{direction}", "false")
        with self._errors("open"):
            self.client = MlflowClient(tracking_uri, registry_uri=tracking_uri)

    def champion(self) -> Version | None:
        """The version in service, or None before the first one."""
        number = self._aliases().get(CHAMPION)
        return self.version(number) if number else None

    def version(self, number: str) -> Version:
        """The version of that number, or a `RegistryError` when there is none."""
        with self._errors("read"):
            try:
                found = self.client.get_model_version(self.name, number)
            except MlflowException as error:
                if error.error_code in NOT_THERE:
                    text = f"{self.name} has no version {number}: `make models` lists those it has"
                    raise RegistryError(text) from None
                raise
            return self._version(found, self._aliases())

    def versions(self) -> list[Version]:
        """Every version, the newest first."""
        aliases = self._aliases()
        with self._errors("read"):
            found = self._search()
            newest = sorted(found, key=lambda version: int(version.version), reverse=True)
            return [self._version(each, aliases) for each in newest]

    def _search(self) -> list[Any]:
        return list(self.client.search_model_versions(f"name = '{self.name}'"))

    def _aliases(self) -> dict[str, str]:
        """The version's number by alias; none before there is a version."""
        with self._errors("read"):
            try:
                aliases = self.client.get_registered_model(self.name).aliases
            except MlflowException as error:
                if error.error_code in NOT_THERE:
                    return {}
                raise
            return {alias: str(number) for alias, number in aliases.items()}

    def _version(self, found: Any, aliases: Mapping[str, str]) -> Version:
        data = self.client.get_run(found.run_id).data
        number = str(found.version)
        return Version(
            number,
            found.run_id,
            tuple(alias for alias, named in aliases.items() if named == number),
            datetime.fromtimestamp(found.creation_timestamp / 1000),
            data.tags | found.tags,
            data.metrics,
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

    def log_files(self, run_id: str, directory: Path) -> None:
        """Add the files in `directory` to those of the run."""
        with self._errors("write to"):
            self.client.log_artifacts(run_id, str(directory))

    def files(self, run_id: str, directory: Path, suffixes: Iterable[str]) -> list[Path]:
        """Copy the run's own files with such suffixes, not those in its folders, to `directory`."""
        with self._errors("read"):
            listed = [file.path for file in self.client.list_artifacts(run_id) if not file.is_dir]
            wanted = [name for name in listed if Path(name).suffix in suffixes]
            return [
                Path(self.client.download_artifacts(run_id, name, str(directory)))
                for name in wanted
            ]

    def register(self, run_id: str, tags: Mapping[str, str]) -> Version:
        """Make the run's model a version, without an alias; the tracking server numbers it."""
        with self._errors("write to"):
            try:
                self.client.create_registered_model(self.name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            source = f"{self.client.get_run(run_id).info.artifact_uri}/{MODEL}"
            made = self.client.create_model_version(self.name, source, run_id, tags=dict(tags))
        return self.version(str(made.version))

    def annotate(
        self, number: str, tags: Mapping[str, str], description: str | None = None
    ) -> None:
        """Set tags of a version and, if given, the description that MLflow's page shows."""
        with self._errors("write to"):
            for key, value in tags.items():
                self.client.set_model_version_tag(self.name, number, key, value)
            if description is not None:
                self.client.update_model_version(self.name, number, description)

    def promote(
        self,
        number: str,
        *,
        over: Version | None,
        tags: Mapping[str, str],
        before: Iterable[str] | None = None,
    ) -> None:
        """Make version `number` the champion instead of `over` (None: there is none), or raise
        `ChampionMovedError` when `over` is not the champion any more.

        `tags` say who, when and why. `before` are the champions that a rollback goes back to;
        unless given, those before `over`, and `over`. The alias moves last, in one write, so that
        whenever this is killed, the champion is whole.
        """
        if before is None:
            before = [*over.before, over.number] if over else []
        with self._claim(number, over.number if over else None):
            self.annotate(number, {**tags, BEFORE: " ".join(before)})
            with self._errors("write to"):
                self.client.set_registered_model_alias(self.name, CHAMPION, number)
        if (now := self._aliases().get(CHAMPION)) != number:
            raise ChampionMovedError(f"version {now} became the champion at the same time")

    @contextmanager
    def _claim(self, number: str, over: str | None) -> Iterator[None]:
        """Keep others from moving the alias for the length of a `with` block.

        MLflow moves an alias whatever it was. So each one that would move it first writes a tag,
        and then gives way when it sees another's: of two at once, at most one goes on. A claim
        that a killed process left is void after a minute.
        """
        self.annotate(number, {CLAIM: f"{time.time():.3f}"})
        try:
            with self._errors("read"):
                for other in self._search():
                    age = time.time() - float(other.tags.get(CLAIM, 0))
                    if str(other.version) != number and age < CLAIM_SECONDS:
                        raise ChampionMovedError(
                            f"version {other.version} is becoming the champion at this moment"
                        )
            now = self._aliases().get(CHAMPION)
            if now != over:
                was = f"it was version {over}" if over else "there was none"
                raise ChampionMovedError(f"{was}, now it is version {now}")
            yield
        finally:
            with self._errors("write to"):
                self.client.delete_model_version_tag(self.name, number, CLAIM)

    def _experiment(self) -> str:
        experiment = self.client.get_experiment_by_name(self.name)
        if experiment:
            return str(experiment.experiment_id)
        return str(self.client.create_experiment(self.name, self.artifact_location))

    @contextmanager
    def _errors(self, action: str) -> Iterator[None]:
        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            said = str(error).partition("[SQL:")[0]  # not the statement that failed
            text = " ".join(said.split())
            if len(text) > 300:  # the reason comes last
                text = f"{text[:140]} … {text[-140:]}"
            raise RegistryError(
                f"cannot {action} the registry at {self.uri} (registry.tracking_uri): {text}"
            ) from error
