"""`make schedule`: the pipeline again and again, as a recurring run on the cluster."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from ...settings import Settings
from .. import graph
from ..cron import Cron
from .client import Client, connect, errors, named
from .submission import arguments, experiment_name, upload


def schedule(settings: Settings, text: str, entry: str = "training") -> None:
    """Have the pipeline, as it is now, run at the times of a cron expression; print the next three.

    A pipeline has one schedule in an experiment: a new one takes the place of the old one.
    """
    cron = Cron.parse(text)
    uploaded = upload(settings, entry)
    client, kubeflow = uploaded.client, uploaded.client.kubeflow
    snapshot = "" if settings.data.fixed else "scheduled"
    name = graph.name_of(settings, entry)
    wanted = {
        "pipeline_id": uploaded.pipeline_id,
        "version_id": uploaded.version_id,
        "params": arguments(settings, snapshot, entry),
        "pipeline_root": kubeflow.pipeline_root,
        "service_account": kubeflow.service_account,
    }
    with errors(kubeflow):
        old = find(client, name, uploaded.experiment_id)
        mark = _mark(cron, wanted)
        same = [each for each in old if each.description == mark and each.mode == "ENABLE"]
        if not same:
            # The API changes none: the new one comes first, so that there is always one.
            client.create_recurring_run(
                uploaded.experiment_id,
                name,
                description=mark,
                cron_expression=six_fields(cron),
                no_catchup=True,
                **wanted,
            )
        for each in old:
            if each not in same[:1]:
                _delete(client, each)
    done = "unchanged" if same else "replaced" if old else "new"
    print(f"schedule {text!r} ({done}), the next times (UTC):")
    for time in cron.next(datetime.now(UTC).replace(tzinfo=None), 3):
        print(f"         {time:%A %Y-%m-%d %H:%M}")


def six_fields(cron: Cron) -> str:
    """The same as Kubeflow reads it: the second comes first."""
    return f"0 {cron.text()}"


def unschedule(settings: Settings, entry: str = "training") -> None:
    """Delete the schedule, where there is one."""
    client = connect(settings)
    kubeflow = client.kubeflow
    name = graph.name_of(settings, entry)
    with errors(kubeflow):
        experiment = find_experiment(client, experiment_name(settings))
        old = find(client, name, experiment) if experiment else []
        for each in old:
            _delete(client, each)
    print(f"{name} is no longer scheduled" if old else "nothing was scheduled")


def find(client: Client, name: str, experiment: str) -> list[Any]:
    """The recurring runs of that name in an experiment."""
    listed = client.list_recurring_runs(
        experiment_id=experiment, filter=named(name), page_size=100
    ).recurring_runs
    return list(listed or [])


def find_experiment(client: Client, name: str) -> str | None:
    """The experiment's id, None where there is none."""
    found = client.list_experiments(filter=named(name)).experiments
    return str(found[0].experiment_id) if found else None


def _delete(client: Client, schedule: Any) -> None:
    """Delete a schedule, and let a run of it that goes on come to its end (KFP 2.16 and later):
    Kubernetes' own default deletes what belongs to it, too."""
    client._recurring_run_api.recurring_run_service_delete_recurring_run(
        schedule.recurring_run_id, propagation_policy="ORPHAN"
    )


def _mark(cron: Cron, wanted: dict[str, Any]) -> str:
    """What tells whether the same is wanted: the API fills in what is not, such as the service
    account, and gives back empty fields in its own way, but leaves a description alone."""
    text = json.dumps([six_fields(cron), wanted], sort_keys=True)
    return f"by `make schedule` ({hashlib.sha256(text.encode()).hexdigest()[:12]})"
