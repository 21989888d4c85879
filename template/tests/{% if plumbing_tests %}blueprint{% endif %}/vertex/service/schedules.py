"""Schedules: five fields with a time zone before them, and the jobs that they start."""

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from google.cloud import aiplatform_v1 as v1
from google.protobuf import empty_pb2
from vertex.service import errors
from vertex.service.listing import listed, update

if TYPE_CHECKING:
    from vertex.service.server import Service

RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
FIELD = re.compile(r"(\*|\d+)(?:-(\d+))?(?:/(\d+))?")
CHANGEABLE = (
    "display_name",
    "cron",
    "start_time",
    "end_time",
    "max_run_count",
    "max_concurrent_run_count",
    "allow_queueing",
    "create_pipeline_job_request",
)


class Schedules:
    """`schedules` is what there is, by name."""

    def __init__(self, service: "Service") -> None:
        self.service = service
        self.schedules: dict[str, Any] = {}

    def create_schedule(self, request: Any) -> Any:
        parent, schedule = self.service.parent(request.parent), v1.Schedule(request.schedule)
        self._check(schedule)
        schedule.name = f"{parent}/schedules/{self.service.identity()}"
        schedule.create_time = schedule.update_time = self.service.now()
        schedule.start_time = schedule.start_time or schedule.create_time
        schedule.state = v1.Schedule.State.ACTIVE
        self.schedules[schedule.name] = schedule
        return self._planned(schedule)

    def get_schedule(self, request: Any) -> Any:
        return self._planned(self.schedule(request.name))

    def list_schedules(self, request: Any) -> Any:
        parent = self.service.parent(request.parent)
        mine = [s for name, s in self.schedules.items() if name.startswith(f"{parent}/")]
        return listed(mine, request, v1.ListSchedulesResponse, "schedules")

    def update_schedule(self, request: Any) -> Any:
        schedule = self.schedule(request.schedule.name)
        new = v1.Schedule(schedule)
        update(new, request.schedule, request.update_mask, CHANGEABLE)
        self._check(new)
        new.update_time = self.service.now()
        self.schedules[schedule.name] = new
        return self._planned(new)

    def pause_schedule(self, request: Any) -> Any:
        schedule = self.schedule(request.name)
        schedule.state, schedule.last_pause_time = v1.Schedule.State.PAUSED, self.service.now()
        return empty_pb2.Empty()

    def resume_schedule(self, request: Any) -> Any:
        schedule = self.schedule(request.name)
        schedule.state, schedule.last_resume_time = v1.Schedule.State.ACTIVE, self.service.now()
        schedule.catch_up = request.catch_up
        return empty_pb2.Empty()

    def delete_schedule(self, request: Any) -> Any:
        name = self.schedule(request.name).name
        return self.service.begin(
            name, v1.DeleteOperationMetadata(), lambda: self.schedules.pop(name) and None
        )

    def fire(self, name: str) -> Any:
        """What happens when a schedule's time has come: its job, or None where it is paused."""
        schedule = self.schedule(name)
        if schedule.state != v1.Schedule.State.ACTIVE:
            return None
        schedule.started_run_count += 1
        request = v1.CreatePipelineJobRequest(schedule.create_pipeline_job_request)
        request.pipeline_job.schedule_name = schedule.name
        return self.create_pipeline_job(request)

    def schedule(self, name: str) -> Any:
        """The schedule of that name."""
        if (found := self.schedules.get(self.service.canonical(name))) is None:
            raise errors.not_found(name)
        return found

    def create_pipeline_job(self, request: Any) -> Any:
        raise NotImplementedError

    def check(self, job: Any) -> dict[str, Any]:
        raise NotImplementedError

    def _check(self, schedule: Any) -> None:
        request = schedule.create_pipeline_job_request
        if not schedule.display_name or schedule.max_concurrent_run_count < 1:
            text = "display_name and max_concurrent_run_count are required."
            raise errors.invalid("schedule", text)
        if not request.parent:
            where = "schedule.create_pipeline_job_request.parent"
            raise errors.invalid(where, "The parent is required.")
        self.service.parent(request.parent)
        self.check(request.pipeline_job)
        following(schedule.cron, self.service.now())

    def _planned(self, schedule: Any) -> Any:
        if schedule.state == v1.Schedule.State.ACTIVE:
            schedule.next_run_time = following(schedule.cron, self.service.now())
        return schedule


def following(cron: str, now: datetime) -> datetime:
    """The next time of `TZ=Europe/Berlin 0 3 * * *`, or an error as the service words it."""
    zone, fields = "UTC", cron.split()
    if fields and (match := re.fullmatch(r"(?:CRON_)?TZ=(\S+)", fields[0])):
        zone, fields = match[1], fields[1:]
    try:
        local = now.astimezone(ZoneInfo(zone)).replace(second=0, microsecond=0)
        values = [_values(*each) for each in zip(fields, RANGES, strict=True)]
        minutes, hours, days, months, weekdays = values
    except (ValueError, ZoneInfoNotFoundError):
        raise errors.invalid("schedule.cron", f"Invalid cron expression: {cron!r}.") from None
    either = fields[2] != "*" and fields[4] != "*"
    for _ in range(366 * 4):
        on_day, on_weekday = local.day in days, local.isoweekday() % 7 in weekdays
        if local.month in months and (on_day or on_weekday if either else on_day and on_weekday):
            for hour in (h for h in sorted(hours) if h >= local.hour):
                for minute in sorted(minutes):
                    found = local.replace(hour=hour, minute=minute)
                    if found > now:
                        return found
        local = (local + timedelta(days=1)).replace(hour=0, minute=0)
    raise errors.invalid("schedule.cron", f"The cron expression {cron!r} never comes true.")


def _values(field: str, allowed: tuple[int, int]) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = FIELD.fullmatch(part)
        if match is None or (match[1] == "*" and match[2]):
            raise ValueError(part)
        first = allowed[0] if match[1] == "*" else int(match[1])
        last = allowed[1] if match[1] == "*" or match[3] else first
        last = int(match[2]) if match[2] else last
        if not allowed[0] <= first <= last <= allowed[1]:
            raise ValueError(part)
        found |= set(range(first, last + 1, int(match[3] or 1)))
    return found
