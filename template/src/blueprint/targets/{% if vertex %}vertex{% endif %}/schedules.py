"""`make schedule`: the pipeline again and again, by Vertex AI's scheduler."""

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ...settings import Settings
from .. import graph
from ..cron import FIELDS, Cron
from .client import Api, errors, section, service
from .settings import Vertex
from .submission import arguments, fingerprint, message, prepare

MARK = "schedule"  # the label of a schedule's runs that tells what was asked for


def schedule(settings: Settings, text: str, entry: str = "training") -> None:
    """Have the pipeline, as it is now, run at the times of a cron expression; print the next three.

    A pipeline has one schedule in a project and a region: a new one takes the place of the old one.
    """
    cron = Cron.parse(text)
    spec = prepare(settings, entry)
    vertex, name = section(settings), graph.name_of(settings, entry)
    values = arguments(settings, "" if settings.data.fixed else "scheduled", entry)
    when = f"TZ={vertex.time_zone} {_numbers(cron.text())}"
    mark = fingerprint(vertex, spec, when, values)[:16]
    api = Api(vertex)
    old = find(api, name)
    same = [each for each in old if _mark(each) == mark and each.get("state") == "ACTIVE"]
    if not same:  # the new one comes first, so that there is always one
        _create(vertex, message(settings, spec, entry, values, name), name, when, mark)
    for each in old:
        if each not in same[:1]:
            api.delete("aiplatform", f"v1/{each['name']}")
    done = "unchanged" if same else "replaced" if old else "new"
    print(f"schedule {text!r} ({done}), the next times ({vertex.time_zone}):")
    zone = UTC if vertex.time_zone == "UTC" else ZoneInfo(vertex.time_zone)
    for time in cron.next(datetime.now(zone).replace(tzinfo=None), 3):
        print(f"         {time:%A %Y-%m-%d %H:%M}")


def unschedule(settings: Settings, entry: str = "training") -> None:
    """Delete the schedule, where there is one. A run that it has started goes on."""
    vertex, name = section(settings), graph.name_of(settings, entry)
    api = Api(vertex)
    old = find(api, name)
    for each in old:
        api.delete("aiplatform", f"v1/{each['name']}")
    print(f"{name} is no longer scheduled" if old else "nothing was scheduled")


def find(api: Api, name: str) -> list[dict[str, Any]]:
    """The schedules of that name, as the REST API has them."""
    path = f"v1/{api.vertex.parent}/schedules"
    return [*api.pages("aiplatform", path, "schedules", filter=f'display_name="{name}"')]


def _create(vertex: Vertex, job: Any, name: str, when: str, mark: str) -> None:
    from google.cloud.aiplatform_v1.types import CreatePipelineJobRequest, Schedule

    job.labels[MARK] = mark
    job.display_name = name
    made = Schedule(
        display_name=name,
        cron=when,
        max_concurrent_run_count=1,
        create_pipeline_job_request=CreatePipelineJobRequest(
            parent=vertex.parent, pipeline_job=job
        ),
    )
    client = service(vertex, "ScheduleServiceClient")
    with errors(vertex):
        client.create_schedule(parent=vertex.parent, schedule=made, timeout=vertex.timeout_seconds)


def _numbers(text: str) -> str:
    """With the numbers of days and months in place of their names."""
    names = FIELDS[3][3] | FIELDS[4][3]
    return re.sub("[a-z]+", lambda name: str(names[name[0].lower()]), text, flags=re.IGNORECASE)


def _mark(found: dict[str, Any]) -> str | None:
    """What was asked for when it was made: the API fills in what was not."""
    job = found.get("createPipelineJobRequest", {}).get("pipelineJob", {})
    mark: str | None = job.get("labels", {}).get(MARK)
    return mark
