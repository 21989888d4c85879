"""The registry: MLflow runs, model versions and the alias `champion`. The only use of MLflow."""

import os
import random
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

from ..errors import UserError
from ..logins import without_login
from ..settings import with_login
from .connection import connect
from .errors import RegistryError as RegistryError
from .errors import errors

CHAMPION = "champion"
MODEL = "model"
BEFORE = "promoted.before"
CLAIM = "promoting"
CLAIM_SECONDS = 60
PAGE = 100
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


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
    return Registry(tracking_uri, name, artifact_location, patient=False)


class Registry:
    """One named model, and the runs that made its versions, on an MLflow tracking server."""

    def __init__(
        self,
        tracking_uri: str,
        name: str,
        artifact_location: str | None = None,
        *,
        patient: bool = True,
    ) -> None:
        self.name, self.artifact_location = name, artifact_location
        uri = with_login(tracking_uri, "registry", "tracking_uri")
        self.uri = without_login(uri)
        with self._errors("open"):
            self.client = connect(uri, patient=patient)

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
            return self._version(found, self._aliases(), self._runs([found]))

    def versions(self) -> list[Version]:
        """Every version, the newest first."""
        aliases = self._aliases()
        with self._errors("read"):
            found = self._search()
            newest = sorted(found, key=lambda version: int(version.version), reverse=True)
            runs = self._runs(newest)
            return [self._version(each, aliases, runs) for each in newest]

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

    def _runs(self, versions: list[Any]) -> dict[str, Any]:
        """What the versions' runs recorded, by their ids; a request for a hundred of them."""
        found: dict[str, Any] = {}
        ids = sorted({version.run_id for version in versions if version.run_id})
        experiment = self.client.get_experiment_by_name(self.name) if len(ids) > 1 else None
        within = [experiment.experiment_id] if experiment else []
        for begin in range(0, len(ids) if within else 0, PAGE):
            query = f"attributes.run_id IN ({str(ids[begin : begin + PAGE])[1:-1]})"
            page = self.client.search_runs(within, query, ViewType.ALL, max_results=PAGE)
            found |= {run.info.run_id: run.data for run in page}
        for run_id in set(ids) - set(found):  # of another experiment, or no longer there
            try:
                found[run_id] = self.client.get_run(run_id).data
            except MlflowException as error:
                if error.error_code not in NOT_THERE:
                    raise
        return found

    def _version(self, found: Any, aliases: Mapping[str, str], runs: Mapping[str, Any]) -> Version:
        data, number = runs.get(found.run_id), str(found.version)
        return Version(
            number,
            found.run_id,
            tuple(alias for alias, named in aliases.items() if named == number),
            datetime.fromtimestamp(found.creation_timestamp / 1000),
            (data.tags if data else {}) | found.tags,
            data.metrics if data else {},
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
        and withdraws it when it sees another's, to try again a moment later: of two at once, at
        most one goes on. A killed process leaves its claim: it is void once it was seen unchanged
        for a minute of this process, whatever the clocks of the two hosts say.
        """
        seen: dict[tuple[str, str], float] = {}
        while True:
            self.annotate(number, {CLAIM: f"{time.time():.6f}"})
            try:
                now = time.monotonic()
                claims = [claim for claim in self._claims() if claim[0] != number]
                seen = {claim: seen.get(claim, now) for claim in claims}
                if (champion := self._aliases().get(CHAMPION)) != over:
                    was = f"it was version {over}" if over else "there was none"
                    raise ChampionMovedError(f"{was}, now it is version {champion}")
                if all(now - since >= CLAIM_SECONDS for since in seen.values()):
                    for other, _ in claims:
                        self._withdraw(other)
                    yield
                    return
            finally:
                self._withdraw(number)
            time.sleep(random.uniform(0.1, 1))  # two that take turns must not keep step

    def _claims(self) -> list[tuple[str, str]]:
        """The versions that are to become the champion, each with what its claim says."""
        with self._errors("read"):
            marked = [each for each in self._search() if CLAIM in each.tags]
        return [(str(each.version), each.tags[CLAIM]) for each in marked]

    def _withdraw(self, number: str) -> None:
        with self._errors("write to"):
            self.client.delete_model_version_tag(self.name, number, CLAIM)

    def _experiment(self) -> str:
        experiment = self.client.get_experiment_by_name(self.name)
        if experiment:
            return str(experiment.experiment_id)
        return str(self.client.create_experiment(self.name, self.artifact_location))

    def _errors(self, action: str) -> AbstractContextManager[None]:
        return errors(action, self.uri)
