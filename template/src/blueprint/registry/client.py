"""The only use of MLflow: runs, model versions, and the alias `champion`."""

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

from .. import rooms
from ..errors import UserError
from ..logins import without_login
from ..settings import with_login
from . import settings
from .connection import RegistryError as RegistryError
from .connection import errors, open_client

CHAMPION = "champion"
MODEL = "model"  # the folder of a run's files that holds the model
BEFORE, CLAIM = "promoted.before", "promoting"  # tags of a version
CLAIM_SECONDS = 60
MOST_RUNS = 50_000  # that MLflow lists in one request
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


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


def connect(section: settings.Registry) -> "Registry":
    """The registry for a command that somebody waits for: it gives up after 3 tries, where a step
    of a pipeline has MLflow's patience of four minutes."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    return Registry(**section.model_dump(), patient=False)


def existing(read: Callable[..., Any], *arguments: str) -> Any:
    """What MLflow reads, or None where it has no such thing."""
    try:
        return read(*arguments)
    except MlflowException as error:
        if error.error_code in MISSING:
            return None
        raise


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
        with self.errors("open"):
            self.client = open_client(uri, patient=patient)

    def errors(self, action: str) -> AbstractContextManager[None]:
        """Turn what goes wrong in a `with` block into a `RegistryError`."""
        return errors(action, self.uri)

    def champion(self) -> Version | None:
        """The version in service, or None before the first one."""
        number = self._aliases().get(CHAMPION)
        return self.version(number) if number else None

    def version(self, number: str) -> Version:
        """The version of that number, or a `RegistryError` when there is none."""
        with self.errors("read"):
            found = existing(self.client.get_model_version, self.name, number)
            if found:
                return self._versions([found])[0]
        raise RegistryError(f"{self.name} has no version {number}: `make models` lists them")

    def versions(self) -> list[Version]:
        """Every version, the newest first."""
        with self.errors("read"):
            return self._versions(sorted(self._search(), key=lambda each: -int(each.version)))

    def _search(self) -> list[Any]:
        return list(self.client.search_model_versions(f"name = '{self.name}'"))

    def _aliases(self) -> dict[str, str]:
        """The version's number by alias; none before there is a version."""
        with self.errors("read"):
            model = existing(self.client.get_registered_model, self.name)
        return {alias: str(number) for alias, number in model.aliases.items()} if model else {}

    def _versions(self, found: list[Any]) -> list[Version]:
        """MLflow's versions with what their runs recorded: a few requests, however many."""
        aliases, runs = self._aliases(), {}
        ids = {each.run_id for each in found if each.run_id}
        if len(ids) > 1 and (experiment := self.client.get_experiment_by_name(self.name)):
            within = [experiment.experiment_id]
            listed = self.client.search_runs(within, "", ViewType.ALL, max_results=MOST_RUNS)
            runs = {run.info.run_id: run for run in listed}
        for run_id in ids - runs.keys():  # of another experiment, or no longer there
            runs[run_id] = existing(self.client.get_run, run_id)
        return [
            Version(
                str(each.version),
                each.run_id,
                tuple(alias for alias, number in aliases.items() if number == str(each.version)),
                datetime.fromtimestamp(each.creation_timestamp / 1000),
                (run.data.tags if run else {}) | each.tags,
                run.data.metrics if run else {},
            )
            for each in found
            for run in [runs.get(each.run_id)]
        ]

    @contextmanager
    def model(self, version: Version) -> Iterator[Path]:
        """The exported model's directory of `version`, for the length of a `with` block."""
        with tempfile.TemporaryDirectory() as directory:
            with self.errors(f"download version {version.number} from"):
                path = self.client.download_artifacts(version.run_id, MODEL, directory)
            yield Path(path)

    def files(self, run_id: str, directory: Path, suffixes: Iterable[str]) -> list[Path]:
        """Copy the run's own files with such suffixes, not those in its folders, to `directory`."""
        with self.errors("read"):
            names = [each.path for each in self.client.list_artifacts(run_id) if not each.is_dir]
            copy = self.client.download_artifacts
            wanted = [name for name in names if Path(name).suffix in suffixes]
            return [Path(copy(run_id, name, str(directory))) for name in wanted]

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
        """Record one evaluated model, with folders of files by their name in the run; return its
        id. A run that is open already is joined."""
        numbers = [Metric(key, value, 0, 0) for key, value in metrics.items()]
        for key, values in curves.items():
            numbers += [Metric(f"curve/{key}", value, 0, i) for i, value in enumerate(values, 1)]
        with self.errors("write to"):
            opened = [run for room in rooms("opened") for run in room.runs(self.client)]
            run_id = opened[0] if opened else self._create_run(name)
            self.client.log_batch(
                run_id,
                metrics=numbers,
                params=[Param(key, str(value)) for key, value in params.items()],
                tags=[RunTag(key, value) for key, value in tags.items()],
            )
            for folder, path in artifacts.items():
                self.client.log_artifacts(run_id, str(path), folder or None)
            if not opened:  # else whoever opened it ends it
                self.client.set_terminated(run_id)
            return run_id

    def _create_run(self, name: str) -> str:
        found = self.client.get_experiment_by_name(self.name)
        create, where = self.client.create_experiment, self.artifact_location
        experiment = found.experiment_id if found else create(self.name, where)
        return str(self.client.create_run(experiment, run_name=name).info.run_id)

    def register(self, run_id: str, tags: Mapping[str, str]) -> Version:
        """Make the run's model a version, without an alias; the tracking server numbers it."""
        with self.errors("write to"):
            try:
                self.client.create_registered_model(self.name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            source = f"{self.client.get_run(run_id).info.artifact_uri}/{MODEL}"
            made = self.client.create_model_version(self.name, source, run_id, tags=dict(tags))
        return self.version(str(made.version))

    def describe(self, version: Version, files: Path, description: str) -> None:
        """Add the folder's files to those of the version's run, and set what MLflow's page says."""
        with self.errors("write to"):
            self.client.log_artifacts(version.run_id, str(files))
            self.client.update_model_version(self.name, version.number, description)

    def set_tags(self, number: str, tags: Mapping[str, str]) -> None:
        with self.errors("write to"):
            for key, value in tags.items():
                self.client.set_model_version_tag(self.name, number, key, value)

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

        `tags` say who, when and why; `before` are the champions that a rollback goes back to, by
        default those before `over`, and `over`. The alias moves last, in one write.
        """
        if before is None:
            before = [*over.before, over.number] if over else []
        with self._claim(number, over.number if over else None):
            self.set_tags(number, {**tags, BEFORE: " ".join(before)})
            with self.errors("write to"):
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
            self.set_tags(number, {CLAIM: f"{time.time():.6f}"})
            try:
                with self.errors("read"):
                    claims = [
                        (str(each.version), each.tags[CLAIM])
                        for each in self._search()
                        if CLAIM in each.tags and str(each.version) != number
                    ]
                now = time.monotonic()
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

    def _withdraw(self, number: str) -> None:
        with self.errors("write to"):
            self.client.delete_model_version_tag(self.name, number, CLAIM)
